"""Plays random stories until one goes wrong, and shrinks that to the least that does."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from .invariants import breaches
from .stage import Played, play

if TYPE_CHECKING:
    from .invariants import Breach
    from .plan import Story
    from .stage import Stage


class StoryFailed(AssertionError):
    """
    A story broke an invariant; the text tells it.

    Attributes:
        story: The least that goes wrong.
        played: What happened in it.
        breaches: What does not hold.
    """

    def __init__(self, played: Played, found: list[Breach], seed: int | None) -> None:
        self.story, self.played, self.breaches = played.story, played, found
        again = f"play_checked(STAGE, {played.story})"
        lines = [
            *map(str, found),
            "",
            "The shortest story in which this happens, of those tried:",
            "",
            *(f"  {line}" for line in str(played.transcript).splitlines()),
            "",
            f"Play it again: {again}",
        ]
        if seed is not None:
            lines.append(f"It was found with seed={seed}.")
        super().__init__("\n".join(lines))


def play_checked(stage: Stage, story: Story) -> Played:
    """
    Play one story.

    Raises:
        StoryFailed: It breaks an invariant.
    """
    return _checked(stage, story, None)


def check_stories(
    stage: Stage,
    *,
    examples: int = 200,
    seed: int | None = None,
    max_tasks: int = 3,
    max_faults: int = 5,
    shrink: bool = True,
) -> None:
    """
    Play random stories.

    Args:
        stage: What they are played with.
        examples: How many.
        seed: Decides which; ``None`` is another one each time, which the failure names.
        max_tasks: Tasks of one story.
        max_faults: Mishaps of one story, and troubles.
        shrink: Whether to look for a shorter story that fails.

    Raises:
        StoryFailed: One of them breaks an invariant.
    """
    from .search import search  # needs hypothesis, which playing one story does not

    level = logging.getLogger("flyte_agent").level
    logging.getLogger("flyte_agent").setLevel(logging.CRITICAL)  # thousands of faults on purpose
    try:
        search(
            stage,
            lambda story, seed: _checked(stage, story, seed),
            examples=examples,
            seed=seed,
            max_tasks=max_tasks,
            max_faults=max_faults,
            shrink=shrink,
        )
    finally:
        logging.getLogger("flyte_agent").setLevel(level)


def _checked(stage: Stage, story: Story, seed: int | None) -> Played:
    played = play(stage, story)
    if found := breaches(played):
        raise StoryFailed(played, found, seed)
    return played
