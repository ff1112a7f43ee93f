"""
Which gRPC status a failure becomes, and what the caller is told.

Flyte's propeller does not look at the status code of these calls (flyte v1.16.8,
flyteplugins/go/tasks/plugins/webapi/connector/plugin.go); it shows it to the user as text. A gRPC
retry policy, which is what protects a platform while this service is rolled out, looks at
UNAVAILABLE. So UNAVAILABLE means exactly that the same request may pass later, and the rest is
chosen for the person who reads it.
"""

from __future__ import annotations

import asyncio
import dataclasses
from http import HTTPStatus

import grpc

from flyte_agent_core.errors import (
    AgentError,
    JobNotFound,
    ProtocolError,
    RetryableError,
    TaskError,
)
from flyte_agent_core.text import MESSAGE_LIMIT_BYTES, bounded, describe

from .errors import (
    BadMetadataError,
    BadRequestError,
    BusyError,
    DrainingError,
    StockAgentError,
    UnknownNameError,
    UnknownTaskTypeError,
    WrongKindError,
)


@dataclasses.dataclass(frozen=True)
class Status:
    """
    How one kind of failure is answered.

    Attributes:
        error_code: The label of the failure counter; flytekit's service uses HTTP's numbers there.
        told: Whether the caller is told what the exception says. A bug's text may hold anything, a
            secret included, so it stays in the log.
    """

    code: grpc.StatusCode
    error_code: HTTPStatus
    told: bool = True


_BUG = Status(grpc.StatusCode.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR, told=False)

# The first row that fits decides; each says why.
_TABLE: tuple[tuple[type[BaseException], Status], ...] = (
    # Nothing here can serve it, and nothing will until the service is changed.
    (UnknownTaskTypeError, Status(grpc.StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND)),
    (UnknownNameError, Status(grpc.StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND)),
    (JobNotFound, Status(grpc.StatusCode.NOT_FOUND, HTTPStatus.NOT_FOUND)),
    # The same bytes will never be accepted.
    (BadRequestError, Status(grpc.StatusCode.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST)),
    (BadMetadataError, Status(grpc.StatusCode.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST)),
    (TaskError, Status(grpc.StatusCode.INVALID_ARGUMENT, HTTPStatus.BAD_REQUEST)),
    # Right for another kind of agent: the platform's view of the service is stale.
    (WrongKindError, Status(grpc.StatusCode.FAILED_PRECONDITION, HTTPStatus.CONFLICT)),
    # The same request may pass later; a retry policy on UNAVAILABLE is right to send it again.
    (RetryableError, Status(grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE)),
    (DrainingError, Status(grpc.StatusCode.UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE)),
    # Sending it again at once would make it worse, so no retry policy should.
    (BusyError, Status(grpc.StatusCode.RESOURCE_EXHAUSTED, HTTPStatus.TOO_MANY_REQUESTS)),
    # The vendor, not the caller, said something that nobody here understands.
    (ProtocolError, Status(grpc.StatusCode.INTERNAL, HTTPStatus.BAD_GATEWAY)),
    (AgentError, Status(grpc.StatusCode.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR)),
    # A plugin of flytekit's: it has no other way to tell the user what is wrong.
    (StockAgentError, Status(grpc.StatusCode.INTERNAL, HTTPStatus.INTERNAL_SERVER_ERROR)),
    (NotImplementedError, Status(grpc.StatusCode.UNIMPLEMENTED, HTTPStatus.NOT_IMPLEMENTED)),
    # Until Python 3.11 asyncio's is a class of its own.
    (asyncio.TimeoutError, Status(grpc.StatusCode.DEADLINE_EXCEEDED, HTTPStatus.GATEWAY_TIMEOUT)),
    (TimeoutError, Status(grpc.StatusCode.DEADLINE_EXCEEDED, HTTPStatus.GATEWAY_TIMEOUT)),
)


def status_of(error: BaseException) -> Status:
    """
    Return how ``error`` is answered.

    What the table does not know is a bug, ours or the agent's.
    """
    return next((status for kind, status in _TABLE if isinstance(error, kind)), _BUG)


def message_of(error: BaseException, status: Status, operation: str, correlation_id: str) -> str:
    """
    Return what the caller is told: one line first, no traceback, no known secret, at most 2 KB.

    The limit is also the transport's: a client refuses trailers of more than 8 KB, and with them
    the message.
    """
    if status.told:
        said = describe(error)
    else:
        kind = type(error).__name__
        said = f"{operation} failed inside the agent service ({kind}); its log has the details"
    note = f" [correlation id {correlation_id}]"
    return bounded(said, MESSAGE_LIMIT_BYTES - len(note)) + note
