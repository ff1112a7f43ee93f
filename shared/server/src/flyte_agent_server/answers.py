"""What may leave the service: answers in the form that Flyte's callers can take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyteidl.admin.agent_pb2 import (
    AgentError,
    GetTaskMetricsResponse,
    GetTaskResponse,
    Resource,
)
from flyteidl.core.execution_pb2 import TaskExecution

from flyte_agent_core import Phase, secrets

from . import redaction

if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Set as AbstractSet

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""
Propeller receives at most 4 MiB (gRPC's default in Go); some of it is for the rest of the message.
"""


def deliverable(resource: Resource) -> Resource:
    """
    Return ``resource``, or a failure in its place when it is too large for the caller to receive.

    The caller would see an error of the call, and six of those hang a task for good.
    """
    size = resource.ByteSize()
    return resource if size <= ANSWER_LIMIT_BYTES else _too_large(resource, size)


def encoded(resource: Resource, adapted: Callable[[Resource], Resource] | None) -> bytes:
    """
    Return the answer to GetTask, or a failure in its place: as :func:`deliverable`.

    Every poll's answer is encoded once, which also tells its size, and whether a secret is in it.
    ``adapted`` makes a resource one of the caller's protocol.
    """
    raw = _encoded(resource, adapted)
    if secrets.is_in(raw):  # in the outputs perhaps, which stay
        raw = _encoded(redaction.in_resource(resource), adapted)
    if len(raw) <= ANSWER_LIMIT_BYTES:
        return raw
    return _encoded(_too_large(resource, len(raw)), adapted)


def _encoded(resource: Resource, adapted: Callable[[Resource], Resource] | None) -> bytes:
    left = adapted(resource) if adapted else resource
    raw: bytes = GetTaskResponse(resource=left).SerializeToString()
    return raw


def _too_large(resource: Resource, size: int) -> Resource:
    return failure(
        f"the answer has {size} bytes, and Flyte takes at most {ANSWER_LIMIT_BYTES} of an agent: "
        "have the task return less, or a reference to where the data is",
        "AGENT.ANSWER_TOO_LARGE",
        resource,
    )


def terminal(resource: Resource, agent: str) -> Resource:
    """
    Return ``resource``, or a failure in its place when it is not the end of a synchronous task.

    Propeller would poll it without metadata, and the panic ends one of its poll workers for good
    (flyte v1.16.8, flytestdlib/cache/in_memory_auto_refresh.go).
    """
    try:
        phase = Phase(resource.phase)
    except ValueError:
        phase = Phase.UNDEFINED
    if phase.is_terminal:
        return resource
    return failure(
        f"{agent} answered {phase.name}; a sync task must be over when it answers",
        "AGENT.NOT_TERMINAL",
        resource,
    )


def failure(message: str, code: str, instead_of: Resource | None = None) -> Resource:
    """Return a result that fails the task, with the links of the one it stands in for."""
    return Resource(
        phase=TaskExecution.FAILED,
        message=message,
        agent_error=AgentError(code=code),
        log_links=instead_of.log_links[:20] if instead_of else None,
    )


def chosen(figures: GetTaskMetricsResponse, names: AbstractSet[str]) -> GetTaskMetricsResponse:
    """Return the figures that were asked for by name; all when none was."""
    if not names:
        return figures
    return GetTaskMetricsResponse(results=[r for r in figures.results if r.metric in names])
