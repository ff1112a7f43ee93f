"""What a story is made of: tasks, what goes wrong for Flyte, and what goes wrong at the vendor's."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from flyte_agent_testing.propeller import CRASH_POINTS

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDS = ("finished", "failed", "evicted", "vanished", "refused", "never")
"""
How a job ends: well; by the user's own fault; by the vendor's, so that another try may help; unknown to the vendor from
one moment to the next; not at all because the vendor refuses it; or not at all because it runs on.
"""

SLOW = "slow"
"""A trouble of a vendor that does what it is asked and answers late."""

MISHAPS = (
    *(point for point in CRASH_POINTS if "execute" not in point),
    "round_lost",
    "lost_answer",
    "lost_poll",
    "late_poll",
    "leadership_change",
    "killed",
    "rollout",
)
"""
Crash points and other faults of propeller; ``killed`` ends a process of the agent's service at once, ``rollout`` has it
replaced in peace.
"""

SYNC_MISHAPS = (*MISHAPS, *(point for point in CRASH_POINTS if "execute" in point))
"""Those of sync agents: Flyte 1 calls ExecuteTaskSync, Flyte 2 CreateTask."""

OF_ALL = frozenset({"leadership_change", "killed", "rollout"})
"""Those that hit no task in particular."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """
    One task of a story.

    Attributes:
        runs_s: Virtual seconds each job takes.
        ends: How the jobs of its attempts end, one of :data:`ENDS` each; the last one goes for all further attempts.
        retries: Attempts after the first.
        timeout_s: Virtual seconds an attempt may take; 0 for ever.
        abort_after_s: When the user aborts; ``None`` for never.
    """

    runs_s: float = 45.0
    ends: tuple[str, ...] = ("finished",)
    retries: int = 0
    timeout_s: float = 0.0
    abort_after_s: float | None = None

    def end(self, attempt: int) -> str:
        """Return how the job of an attempt ends."""
        return self.ends[min(attempt, len(self.ends) - 1)]

    @property
    def is_refused(self) -> bool:
        """Whether the vendor refuses its job."""
        return "refused" in self.ends


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mishap:
    """
    Something that goes wrong between Flyte and the service.

    Attributes:
        kind: One of :data:`MISHAPS`.
        task: Number of the task it hits; irrelevant for those that hit all.
        nth: At which opportunity, from 0.
    """

    kind: str
    task: int = 0
    nth: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trouble:
    """
    Something that goes wrong at the vendor's.

    Attributes:
        operation: ``create``, ``get`` or ``delete``; ``do`` for a sync agent.
        fault: One of the backend's faults, or :data:`SLOW`.
        at_s: From when, in virtual seconds.
        times: How many calls it hits; seconds for :data:`SLOW`.
    """

    operation: str
    fault: str
    at_s: float = 0.0
    times: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class Story:
    """
    Everything that is decided before a run, so that it can be run again.

    Attributes:
        flyte: 1 or 2.
        tasks: What the users want.
        mishaps: What goes wrong between Flyte and the service.
        troubles: What goes wrong at the vendor's.
        replicas: Processes of the agent's service.
        retry_unavailable: Tries that Flyte's gRPC configuration adds; see
            :class:`~flyte_agent_testing.propeller.Settings`.
        luck: Decides what is left to chance, such as how far into a call a crash comes.
    """

    flyte: int = 1
    tasks: tuple[Plan, ...] = (Plan(),)
    mishaps: tuple[Mishap, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    replicas: int = 1
    retry_unavailable: int = 0
    luck: int = 0

    def hits(self) -> Iterator[tuple[str, str, int]]:
        """Yield its mishaps as propeller's dice want them."""
        for mishap in self.mishaps:
            whom = "propeller" if mishap.kind in OF_ALL else execution(mishap.task)
            yield mishap.kind, whom, mishap.nth

    def __str__(self) -> str:
        """Return it as Python, without what is as usual."""
        return _source(self)


def execution(task: int) -> str:
    """Return the name under which Flyte runs a task."""
    return f"t{task}"


def _source(value: object) -> str:
    if isinstance(value, tuple):
        inner = ", ".join(_source(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if not dataclasses.is_dataclass(value):
        return repr(value)
    told = [
        f"{field.name}={_source(getattr(value, field.name))}"
        for field in dataclasses.fields(value)
        if getattr(value, field.name) != field.default
    ]
    return f"{type(value).__name__}({', '.join(told)})"
