"""What propeller makes of the phase an agent answers: the event users see, and how the attempt ends."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyteidl.admin import agent_pb2
from flyteidl.core.execution_pb2 import TaskExecution
from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "RETRYABLE_FAILED", "ABORTED"})
_NAMES: Mapping[int, str] = {value: name for name, value in TaskExecution.Phase.items()}
FAILED_WITH_ERROR = "TaskFailedWithError"


class UnknownPhase(ValueError):
    """The agent answered a phase that does not exist."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PhaseInfo:
    """
    What propeller concluded in one round.

    Attributes:
        phase: Flyte's name of it.
        version: One event is sent per phase and version.
        message: The reason users see, or the error.
        code: The error's code; empty unless failed.
        kind: Whose fault an error is.
        links: Name -> URL of the log links.
        custom_info: The agent's ``custom_info``.
        interrupted: Whether the job may still be running, so that it has to be deleted.
        cause: Who said so: ``agent`` (in an answer to GetTask or ExecuteTaskSync), ``create`` (a call that failed),
            ``outputs``, ``polls`` (too many failed), ``rounds`` (the same), ``delete`` (given up), ``timeout``,
            ``abort``, ``routing``, ``hung``.
    """

    phase: str
    version: int = 0
    message: str = ""
    code: str = ""
    kind: str = "USER"
    links: Mapping[str, str] = dataclasses.field(default_factory=dict)
    custom_info: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    interrupted: bool = False
    cause: str = "agent"

    @property
    def is_terminal(self) -> bool:
        """Whether the attempt is over."""
        return self.phase in TERMINAL


def status_of(
    resource: agent_pb2.Resource, *, sync: bool = False, has_state: bool = True
) -> PhaseInfo:
    """
    Return what propeller makes of an answer.

    The message of RUNNING, SUCCEEDED and ABORTED is dropped, that of INITIALIZING and WAITING_FOR_RESOURCES
    is shown, that of a failure becomes the error. UNDEFINED falls back to the deprecated ``state``, whose
    default means a retryable failure.

    Args:
        resource: The agent's answer.
        sync: Whether it answers ExecuteTaskSync, whose error code is used.
        has_state: Whether there is a ``state``; Flyte 2 has dropped it, and does not know UNDEFINED.

    Raises:
        UnknownPhase: Flyte has no such phase.

    Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/plugins/webapi/connector/plugin.go
    """
    table: Mapping[int, Callable[[agent_pb2.Resource], PhaseInfo]] = _BY_PHASE
    value: int = resource.phase
    if value == TaskExecution.UNDEFINED and has_state:
        table, value = _BY_STATE, resource.state
    if value not in table:
        raise UnknownPhase(f"unknown execution phase [{value}]")
    info = dataclasses.replace(
        table[value](resource),
        links={link.name: link.uri for link in resource.log_links},
        custom_info=MessageToDict(resource.custom_info),
    )
    if sync and info.code and resource.agent_error.code:
        return dataclasses.replace(info, code=resource.agent_error.code)
    return info


def phase_name(resource: agent_pb2.Resource) -> str:
    """Return the name of the phase an agent answered, or its number if Flyte has none."""
    return _NAMES.get(resource.phase, str(resource.phase))


def _shown(phase: str) -> Callable[[agent_pb2.Resource], PhaseInfo]:
    return lambda resource: PhaseInfo(phase=phase, message=resource.message)


def _silent(phase: str) -> Callable[[agent_pb2.Resource], PhaseInfo]:
    return lambda _: PhaseInfo(phase=phase)


def _failed(phase: str) -> Callable[[agent_pb2.Resource], PhaseInfo]:
    return lambda resource: PhaseInfo(
        phase=phase, code=FAILED_WITH_ERROR, message=f"failed to run the job: {resource.message}"
    )


def _aborted(_: agent_pb2.Resource) -> PhaseInfo:
    message = "failed to run the job with aborted phase."
    return PhaseInfo(phase="FAILED", code=FAILED_WITH_ERROR, message=message)


_BY_PHASE: Mapping[int, Callable[[agent_pb2.Resource], PhaseInfo]] = {
    TaskExecution.QUEUED: _shown("QUEUED"),
    TaskExecution.WAITING_FOR_RESOURCES: _shown("WAITING_FOR_RESOURCES"),
    TaskExecution.INITIALIZING: _shown("INITIALIZING"),
    TaskExecution.RUNNING: _silent("RUNNING"),
    TaskExecution.SUCCEEDED: _silent("SUCCEEDED"),
    TaskExecution.ABORTED: _aborted,
    TaskExecution.FAILED: _failed("FAILED"),
    TaskExecution.RETRYABLE_FAILED: _failed("RETRYABLE_FAILED"),
}
_BY_STATE: Mapping[int, Callable[[agent_pb2.Resource], PhaseInfo]] = {
    agent_pb2.PENDING: _shown("INITIALIZING"),
    agent_pb2.RUNNING: _silent("RUNNING"),
    agent_pb2.SUCCEEDED: _silent("SUCCEEDED"),
    agent_pb2.PERMANENT_FAILURE: _failed("FAILED"),
    agent_pb2.RETRYABLE_FAILURE: _failed("RETRYABLE_FAILED"),
}
