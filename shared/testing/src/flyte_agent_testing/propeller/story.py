"""What happened, step by step: what the simulation tells, and what it returns."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from .rules import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from flyteidl.admin.agent_pb2 import Resource

    from .status import PhaseInfo


def stamp(at_s: float) -> str:
    """Return virtual seconds as ``1d 02:03:04.500``."""
    total_ms = round(at_s * 1000)
    days, rest_ms = divmod(total_ms, 86_400_000)
    minutes, ms = divmod(rest_ms, 60_000)
    day = f"{days}d " if days else ""
    return f"{day}{minutes // 60:02}:{minutes % 60:02}:{ms / 1000:06.3f}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Step:
    """
    One line of a transcript.

    Attributes:
        at_s: Virtual seconds since the propeller started.
        task: Execution and node.
        attempt: Number of the attempt, from 0.
        kind: ``create``, ``execute``, ``get``, ``delete``, ``event``, ``fault``, ``violation`` or ``end``.
        text: What happened.
        resource: The agent's answer, for ``get`` and ``execute``.
        repeats: How often in a row the same was answered.
        until_s: When it was last answered.
    """

    at_s: float
    task: str
    attempt: int
    kind: str
    text: str
    resource: Resource | None = None
    repeats: int = 1
    until_s: float = 0.0

    def __str__(self) -> str:
        again = f"  ({self.repeats} times until {stamp(self.until_s)})" if self.repeats > 1 else ""
        return f"{stamp(self.at_s)}  {self.task}/{self.attempt}  {self.kind:<9}  {self.text}{again}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Event:
    """What a user of Flyte sees: one for each phase and version, RUNNING without its message."""

    at_s: float
    attempt: int
    phase: str
    version: int
    message: str
    links: Mapping[str, str]
    custom_info: Mapping[str, Any]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Violation:
    """Something that would hurt a real Flyte; ``rule`` is a key of :data:`RULES`."""

    rule: str
    text: str
    at_s: float
    task: str
    attempt: int

    def __str__(self) -> str:
        where = f"{self.task}/{self.attempt} at {stamp(self.at_s)}"
        return f"{self.rule} in {where}: {self.text}. Flyte: {RULES[self.rule]}"


class Transcript:
    """Steps in the order in which they happened; ``str()`` gives one line for each."""

    def __init__(self, steps: Iterable[Step] = ()) -> None:
        self.steps = list(steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __len__(self) -> int:
        return len(self.steps)

    def __str__(self) -> str:
        return "\n".join(map(str, self.steps))

    def add(self, step: Step) -> None:
        """Add a step; a poll that found nothing new only counts the one before."""
        last = self.steps[-1] if self.steps else None
        if last and step.kind == "get" and _same(step, last):
            repeats = last.repeats + 1
            step = dataclasses.replace(
                last, resource=step.resource, repeats=repeats, until_s=step.at_s
            )
            self.steps.pop()
        self.steps.append(step)


def _same(step: Step, last: Step) -> bool:
    return (step.task, step.attempt, step.kind, step.text) == (
        last.task,
        last.attempt,
        last.kind,
        last.text,
    )


class Story:
    """
    Writes down what happens to one task.

    Args:
        task: Execution and node.
        now_s: Returns virtual seconds.
        observer: Called with each step as it happens.
    """

    def __init__(
        self, task: str, now_s: Callable[[], float], observer: Callable[[Step], None] | None
    ) -> None:
        self.task = task
        self.attempt = 0
        self.transcript = Transcript()
        self.events: list[Event] = []
        self.violations: list[Violation] = []
        self._now_s = now_s
        self._observer = observer

    def tell(self, kind: str, text: str, resource: Resource | None = None) -> None:
        """Add a step and show it to the observer."""
        step = Step(
            at_s=self._now_s(),
            task=self.task,
            attempt=self.attempt,
            kind=kind,
            text=text,
            resource=resource,
        )
        self.transcript.add(step)
        if self._observer is not None:
            self._observer(step)

    def show(self, info: PhaseInfo) -> None:
        """Send an event to the user, unless the last one had the same phase and version."""
        last = self.events[-1] if self.events else None
        if last and last.attempt == self.attempt:
            if (last.phase, last.version) == (info.phase, info.version):
                return
            if info.phase == "QUEUED" and not info.version:  # Flyte has version 2, "launched"
                return
        event = Event(
            at_s=self._now_s(),
            attempt=self.attempt,
            phase=info.phase,
            version=info.version,
            message=info.message,
            links=info.links,
            custom_info=info.custom_info,
        )
        self.events.append(event)
        links = "".join(f" [{name}]({uri})" for name, uri in info.links.items())
        self.tell("event", f"{info.phase} {info.message}".strip() + links)

    def violate(self, rule: str, text: str) -> None:
        """Write down that a rule was broken."""
        violation = Violation(
            rule=rule, text=text, at_s=self._now_s(), task=self.task, attempt=self.attempt
        )
        self.violations.append(violation)
        self.tell("violation", f"{rule}: {text}")
