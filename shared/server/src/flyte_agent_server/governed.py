"""
A policy in front of an agent, and nothing secret in what it says.

A refusal is an answer and no error: Flyte repeats every error of create, so an error would use up
the task's retries. The first poll says FAILED, as for every task that must change.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any

from flyteidl.admin.agent_pb2 import GetTaskMetricsResponse

from flyte_agent_core import Attempt, JobMeta, TaskError
from flyte_agent_core.meta import FailedCreate, MetaCodec
from flyte_agent_core.secrets import redact

from . import answers, redaction
from .policy import REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from flyteidl.admin.agent_pb2 import Resource

    from flyte_agent_core.logs import Lines

    from .policy import Facts, Policy
    from .served import Served, Start

_log = logging.getLogger("flyte_agent.server")

_FAILED = b'{"v":1,"failed":'
_CODEC = MetaCodec(JobMeta)


class Governed:
    """An agent that starts only what the policy lets it."""

    def __init__(
        self, inner: Served, policy: Callable[[], Policy], facts: Callable[[Attempt], Facts]
    ) -> None:
        self._inner, self._policy, self._facts = inner, policy, facts
        self.name = inner.name
        self.task_type = inner.task_type
        self.version = inner.version
        self.is_sync = inner.is_sync

    async def create(self, start: Start) -> bytes:
        """Start the job and return its metadata, or that of a refusal."""
        refused = self._refusal(start)
        if refused:
            return refused.encode()
        return redaction.in_meta(await self._inner.create(start), self.name)

    async def do(self, start: Start) -> Resource:
        """Do the work and return the result, or a refusal."""
        refused = self._refusal(start)
        if refused:
            return await _failure(refused)
        return redaction.in_resource(await self._inner.do(start))

    def get(self, meta: bytes) -> Coroutine[Any, Any, Resource]:
        """Return the state of the job; no coroutine of its own, every poll comes through here."""
        refused = _refused(meta)
        return _failure(refused) if refused else self._inner.get(meta)

    async def delete(self, meta: bytes) -> None:
        """Stop the job, if there is one."""
        if not _refused(meta):
            await self._inner.delete(meta)

    async def metrics(self, meta: bytes) -> GetTaskMetricsResponse:
        """Return the job's figures."""
        return GetTaskMetricsResponse() if _refused(meta) else await self._inner.metrics(meta)

    async def logs(self, meta: bytes) -> Lines:
        """Yield the job's log as it comes."""
        if _refused(meta):
            return
        async with contextlib.aclosing(self._inner.logs(meta)) as log:
            async for lines in log:
                yield [redact(line) for line in lines]

    def _refusal(self, start: Start) -> FailedCreate | None:
        policy = self._policy()
        if not policy:
            return None
        attempt = Attempt.of(start.template, start.output_prefix, start.inputs, start.metadata)
        try:
            message = policy.refusal(attempt, self._facts(attempt))
        except TaskError as error:  # the task is wrong in itself, and would fail with the same
            return FailedCreate(error.code, str(error))
        if not message:
            return None
        _log.warning("%s", message)
        return FailedCreate(REFUSED, message)


def no_facts(attempt: Attempt) -> Facts:
    """Return what an agent says that is not built on our core: nothing."""
    return {}


async def _failure(refused: FailedCreate) -> Resource:
    return answers.failure(refused.message, refused.code)


def _refused(meta: bytes) -> FailedCreate | None:
    """Return the failure that metadata holds; agents not built on our core cannot read it."""
    if not meta.startswith(_FAILED):
        return None
    found = _CODEC.decode(meta)
    return found if isinstance(found, FailedCreate) else None
