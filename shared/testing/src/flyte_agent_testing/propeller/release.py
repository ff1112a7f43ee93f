"""Where the two Flytes differ in what they make of answers, and how often they forgive."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from flyteidl.core.execution_pb2 import TaskExecution

from .status import PhaseInfo, status_of

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import Resource

    from .settings import Settings

_ENDED = frozenset({TaskExecution.SUCCEEDED, TaskExecution.FAILED, TaskExecution.ABORTED})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Release:
    """
    A Flyte.

    Attributes:
        number: 1 or 2.
        ended: Phases after which the cache does not poll any more. After RETRYABLE_FAILED Flyte 1 goes on until the
            next round takes the task out.
        reads_error_file: Whether ``error.pb`` is looked for.
        keeps_poll_errors: Whether the count of failed polls outlives the process.
    """

    number: int
    ended: frozenset[int]
    reads_error_file: bool
    keeps_poll_errors: bool

    def status_of(self, resource: Resource, *, sync: bool = False) -> PhaseInfo:
        """Return what it makes of an answer; see :func:`.status.status_of`."""
        return status_of(resource, sync=sync, has_state=self.number == 1)


RELEASES = {
    1: Release(number=1, ended=_ENDED, reads_error_file=True, keeps_poll_errors=False),
    2: Release(
        number=2,
        ended=_ENDED | {TaskExecution.RETRYABLE_FAILED},
        reads_error_file=False,
        keeps_poll_errors=True,
    ),
}


class FailedRounds:
    """
    Counts the rounds of a task that failed as a whole.

    Flyte 1 counts them for the whole life of the workflow (here: the task), then fails it and deletes what runs as
    well as it can. Flyte 2 counts those in a row, then fails the task.

    Sources: https://github.com/flyteorg/flyte/blob/v1.16.8/flytepropeller/pkg/controller/handler.go and
    https://github.com/flyteorg/flyte/blob/v2.0.43/executor/pkg/controller/taskaction_controller.go
    """

    def __init__(self, settings: Settings) -> None:
        self._flyte = settings.flyte
        self._limit = (
            settings.max_workflow_retries if settings.flyte == 1 else settings.max_system_errors
        )
        self.count = 0

    @property
    def are_too_many(self) -> bool:
        """Whether the next one is not forgiven, because this one was not."""
        return self.count > self._limit

    def passed(self) -> None:
        """Note a round that did not fail."""
        if self._flyte == 2:
            self.count = 0

    def failed(self, found: str) -> PhaseInfo | None:
        """Note one that did; return how the task ends if that was too often."""
        self.count += 1
        return self.end(found) if self.are_too_many else None

    def end(self, found: str) -> PhaseInfo:
        """Return how a task ends whose rounds kept failing."""
        if self._flyte == 1:
            code = "RuntimeExecutionError"
            message = (
                f"max number of system retry attempts [{self.count}/{self._limit}] exhausted. "
                f"Last known status message: {found}"
            )
        else:
            code = "MaxSystemFailuresExceeded"
            message = f"plugin failed with system error {self.count} times: {found}"
        return PhaseInfo(
            phase="FAILED",
            code=code,
            message=message,
            kind="SYSTEM",
            interrupted=self._flyte == 1,
            cause="rounds",
        )
