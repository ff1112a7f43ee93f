"""A task in the poll cache."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

from .status import phase_name

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import Resource

    from .outcome import AttemptRecord
    from .story import Story
    from .stubs import Outgoing
    from .task import TaskRun


@dataclasses.dataclass(eq=False, kw_only=True)
class Item:
    """
    A task being polled.

    Attributes:
        run: The task.
        record: Its attempt.
        story: What happened to it.
        meta: Metadata of its job; ``None`` for a synchronous task, which must never get here.
        ended: Phases after which it is not polled any more.
        connection: What Flyte 2 sends along, encoded.
        resource: The last answer.
        failures: Failed polls so far.
        error: The last failure.
        given_up: Whether it had too many of them and is not polled any more.
        lost: Whether this propeller is gone.
        fate: How it went, if it died while it polled this.
        news: Set when there is something to look at.
    """

    run: TaskRun
    record: AttemptRecord
    story: Story
    meta: bytes | None
    ended: frozenset[int]
    connection: bytes = b""
    resource: Resource | None = None
    failures: int = 0
    error: str = ""
    given_up: bool = False
    lost: bool = False
    fate: str = ""
    queued: bool = False
    link_seen: bool = False
    bug: Exception | None = None
    news: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """Whether it is not polled any more."""
        ended = self.resource is not None and self.resource.phase in self.ended
        return self.lost or self.given_up or ended

    @property
    def is_stuck(self) -> bool:
        """Whether it is not polled any more although it did not end."""
        return self.meta is None or (self.given_up and self.resource is not None)

    @property
    def whom(self) -> str:
        """Names the attempt to the dice."""
        return f"{self.run.name}/{self.record.number}"

    def request(self) -> Outgoing:
        """Return what polls it."""
        prefix = self.record.output_prefix
        return self.run.get_request(self.meta or b"", prefix, self.connection)


def describe(resource: Resource) -> str:
    """Return an answer in one line."""
    message = resource.message.replace("\n", " ")
    shown = f" {message[:200]!r}" if message else ""
    links = (
        f" links: {', '.join(link.name for link in resource.log_links)}"
        if resource.log_links
        else ""
    )
    outputs = " with outputs" if resource.HasField("outputs") else ""
    return f"{phase_name(resource)}{shown}{links}{outputs}"
