"""The part that needs hypothesis."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

try:
    import hypothesis
except ImportError as error:
    raise ImportError(
        "random stories need hypothesis: pip install 'flyte-agent-testing[property]'"
    ) from error

from hypothesis import HealthCheck, Phase, given, settings

from .check import StoryFailed
from .strategies import stories

if TYPE_CHECKING:
    from collections.abc import Callable

    from .plan import Story
    from .stage import Stage


def search(
    stage: Stage,
    checked: Callable[[Story, int], Any],
    *,
    examples: int,
    seed: int | None,
    max_tasks: int,
    max_faults: int,
    shrink: bool,
) -> None:
    """
    Look for a story that fails; see :func:`.check.check_stories`.

    Raises:
        StoryFailed: There is one.
    """
    seed = secrets.randbits(32) if seed is None else seed
    failures: list[StoryFailed] = []

    @hypothesis.seed(seed)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        print_blob=False,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *([Phase.shrink] if shrink else [])],
    )
    @given(stories(stage, max_tasks=max_tasks, max_faults=max_faults))
    def attempt(story: Story) -> None:
        try:
            checked(story, seed)
        except StoryFailed as failure:
            failures.append(failure)
            raise

    try:
        attempt()
    except StoryFailed as failure:  # hypothesis plays the shortest one last
        raise failure from None
    except Exception:
        if failures:
            raise failures[-1] from None
        raise
