"""What may leave the service: answers in the form that Flyte's callers can take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flyteidl.admin.agent_pb2 import (
    AgentError,
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskLogsResponseHeader,
    GetTaskMetricsResponse,
    Resource,
)
from flyteidl.core.execution_pb2 import TaskExecution

from flyte_agent_core import Phase

from .errors import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024 - 64 * 1024
"""
Propeller receives at most 4 MiB (gRPC's default in Go); some of it is for the rest of the message.
"""

_PIECE_BYTES = 256 * 1024


def deliverable(resource: Resource) -> Resource:
    """
    Return ``resource``, or a failure in its place when it is too large for the caller to receive.

    The caller would see an error of the call, and six of those hang a task for good.
    """
    size = resource.ByteSize()
    if size <= ANSWER_LIMIT_BYTES:
        return resource
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


def log_position(token: str) -> int:
    """
    Return the line a request wants to go on from.

    Raises:
        BadRequestError: The token is none of ours.
    """
    if token and not token.isdecimal():
        raise BadRequestError(
            f"token: found {token[:40]!r}, expected none or the one in the last answer's header"
        )
    return int(token[:18] or 0)


def log_pieces(log: GetTaskLogsResponse, first: int, lines: int) -> Iterator[GetTaskLogsResponse]:
    """
    Yield a log in messages of moderate size, and last a header that says where to go on.

    Args:
        log: The whole of it, as the agent gave it.
        first: The line to begin with.
        lines: At most so many lines; 0 means all.
    """
    results = list(log.body.results)
    last = min(len(results), first + lines) if lines else len(results)
    piece: list[str] = []
    size = 0
    for line in results[first:last]:
        if piece and size + len(line) > _PIECE_BYTES:
            yield _body(piece)
            piece, size = [], 0
        piece.append(line)
        size += len(line)
    if piece:
        yield _body(piece)
    # A running job writes more, so there is always somewhere to go on from.
    token = str(max(first, last))
    yield GetTaskLogsResponse(header=GetTaskLogsResponseHeader(token=token))


def _body(lines: list[str]) -> GetTaskLogsResponse:
    return GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=lines))
