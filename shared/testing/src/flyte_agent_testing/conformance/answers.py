"""An answer of the agent in the kit's own words."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict

from flyte_agent_core import Phase

from .checks import expect

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import Resource
    from flyteidl.core.literals_pb2 import LiteralMap

WAITING = frozenset({Phase.QUEUED, Phase.INITIALIZING, Phase.WAITING_FOR_RESOURCES})
FAILURES = frozenset({Phase.FAILED, Phase.ABORTED, Phase.RETRYABLE_FAILED})


@dataclasses.dataclass(frozen=True)
class Answer:
    """
    What a poll, or a sync call, was answered with.

    Attributes:
        links: Name -> URL.
        outputs: ``None`` when the answer has none.
        resource: The message itself.
    """

    phase: Phase
    message: str
    links: dict[str, str]
    outputs: LiteralMap | None
    custom_info: dict[str, Any]
    resource: Resource

    @classmethod
    def of(cls, resource: Resource) -> Answer:
        """Read an answer; a phase that Flyte does not have breaks whatever rule is being checked."""
        known = {int(phase) for phase in Phase} - {int(Phase.UNDEFINED)}
        expect(
            resource.phase in known,
            f"answered phase {resource.phase}, which Flyte does not take for a phase",
        )
        return cls(
            Phase(resource.phase),
            resource.message,
            {link.name: link.uri for link in resource.log_links},
            resource.outputs if resource.HasField("outputs") else None,
            MessageToDict(resource.custom_info),
            resource,
        )

    @property
    def is_over(self) -> bool:
        """Whether the phase is terminal."""
        return self.phase.is_terminal

    def shown(self) -> list[tuple[str, str]]:
        """Return what somebody gets to see of it, each with where that is."""
        seen = [("a message", self.message), ("the links", str(self.links))]
        return [*seen, ("custom_info", str(self.custom_info)), ("the outputs", str(self.outputs))]

    def __str__(self) -> str:
        return f"{self.phase.name} ({self.message[:200]!r})" if self.message else self.phase.name


def is_useful(message: str) -> bool:
    """Whether the first line of a message tells somebody something."""
    return len(message.strip().partition("\n")[0].split()) > 1
