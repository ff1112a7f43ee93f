"""How a task ended."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .story import stamp

if TYPE_CHECKING:
    from flyteidl.core.literals_pb2 import LiteralMap

    from .story import Event, Transcript, Violation


@dataclasses.dataclass(kw_only=True)
class AttemptRecord:
    """
    One attempt, as propeller saw it.

    Attributes:
        number: From 0.
        output_prefix: Identifies the attempt.
        resource_meta: What the last CreateTask answered, ``None`` until propeller has stored it.
        creates: How often CreateTask (or ExecuteTaskSync) was sent.
        polls: How often GetTask was sent.
        deletes: How often DeleteTask succeeded.
        said: The terminal phase the agent answered last.
        phase: How the attempt ended.
        cause: Who said so: ``agent``, ``create``, ``timeout``, ``abort`` and so on.
        given_up: Whether propeller stopped to send DeleteTask before one succeeded.
    """

    number: int
    output_prefix: str
    resource_meta: bytes | None = None
    creates: int = 0
    polls: int = 0
    deletes: int = 0
    said: str = ""
    phase: str = ""
    cause: str = ""
    given_up: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """
    How a task ended; ``str()`` tells the whole story.

    Attributes:
        task: Execution and node.
        phase: ``SUCCEEDED``, ``FAILED`` or ``ABORTED``; if hung, the last one the user saw.
        hung: Whether nothing but an abort or a timeout would ever end it.
        error_code: Flyte's code of the failure; empty if there is none.
        error_message: What the user reads.
        attempts: Each attempt made.
        outputs: The outputs; ``None`` unless declared and found.
        events: What the user saw.
        transcript: What happened.
        violations: What would hurt a real Flyte.
        took_s: Virtual seconds.
    """

    task: str
    phase: str
    hung: bool
    error_code: str
    error_message: str
    attempts: tuple[AttemptRecord, ...]
    outputs: LiteralMap | None
    events: tuple[Event, ...]
    transcript: Transcript
    violations: tuple[Violation, ...]
    took_s: float

    @property
    def succeeded(self) -> bool:
        """Whether the task succeeded."""
        return self.phase == "SUCCEEDED" and not self.hung

    @property
    def links(self) -> dict[str, str]:
        """The links the user sees last, name -> URL."""
        shown = [event.links for event in self.events if event.links]
        return dict(shown[-1]) if shown else {}

    @property
    def messages(self) -> list[str]:
        """The messages the user saw, in order."""
        return [event.message for event in self.events if event.message]

    def __str__(self) -> str:
        end = f"{self.phase} and hung" if self.hung else self.phase
        error = f" {self.error_code}: {self.error_message}" if self.error_code else ""
        lines = [f"{self.task} {end} after {stamp(self.took_s)}{error}", str(self.transcript)]
        return "\n".join([*lines, *map(str, self.violations)])
