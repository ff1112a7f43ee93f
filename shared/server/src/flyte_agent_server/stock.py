"""
Agents written directly on flytekit, such as its own plugins: served too, as far as they allow.

They take flytekit's models instead of protobufs, may block, raise whatever they like and know
nothing of our guard. Here they get what a service can give them: their own bounded threads, so that
a slow one delays nobody else, and errors that say what happened without a traceback.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
from typing import TYPE_CHECKING, Any

from flytekit.models.literals import LiteralMap
from flytekit.models.task import TaskExecutionMetadata, TaskTemplate

from flyte_agent_core import Phase, observe
from flyte_agent_core._flyte import SyncConnectorBase  # noqa: PLC2701  # see registry.py
from flyte_agent_core.text import describe
from flyte_agent_core.threads import Threads

from .errors import BadMetadataError, StockAgentError
from .served import Start, must_be_sync

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flyteidl.admin.agent_pb2 import GetTaskLogsResponse, GetTaskMetricsResponse, Resource

    from flyte_agent_core.logs import Lines

_log = logging.getLogger("flyte_agent.server")

_MAX_THREADS = 32
_PHASES = {int(phase): phase.name for phase in Phase}


class StockAgent:
    """An agent that is registered with flytekit and not built on flyte-agent-core."""

    def __init__(self, agent: Any) -> None:
        self.agent = agent
        self.name: str = agent.name
        self.task_type: str = agent.task_category.name
        self.version: int = agent.task_category.version
        self.is_sync = isinstance(agent, SyncConnectorBase)
        self.threads = Threads(_MAX_THREADS)

    async def create(self, start: Start) -> bytes:
        """Start the job and return its metadata."""
        with _explained():
            meta = await self._call(
                self.agent.create,
                **_models(start),
                task_execution_metadata=TaskExecutionMetadata.from_flyte_idl(start.metadata),
            )
            encoded: bytes = meta.encode()
        return encoded

    async def get(self, meta: bytes) -> Resource:
        """Return the state of the job."""
        decoded = self._decoded(meta)
        with _explained():
            answer = await _message(await self._call(self.agent.get, resource_meta=decoded))
        return self._told(answer)

    async def delete(self, meta: bytes) -> None:
        """Stop the job."""
        decoded = self._decoded(meta)
        with _explained():
            await self._call(self.agent.delete, resource_meta=decoded)

    async def do(self, start: Start) -> Resource:
        """Do the work and return the result."""
        must_be_sync(self)
        with _explained():
            answer = await _message(await self._call(self.agent.do, **_models(start)))
        return self._told(answer)

    def _told(self, answer: Resource) -> Resource:
        """Report a phase, which for agents of ours the core does."""
        name = _PHASES.get(answer.phase, "UNKNOWN")
        observe.report(observe.Answer(self.task_type, name))
        return answer

    async def metrics(self, meta: bytes) -> GetTaskMetricsResponse:
        """Return the job's figures."""
        decoded = self._decoded(meta)
        with _explained():
            figures: GetTaskMetricsResponse = await self._call(
                self.agent.get_metrics, resource_meta=decoded
            )
        return figures

    async def logs(self, meta: bytes) -> Lines:
        """Yield the job's log: all of it at once, as flytekit's agents give it."""
        decoded = self._decoded(meta)
        with _explained():
            log: GetTaskLogsResponse = await self._call(self.agent.get_logs, resource_meta=decoded)
        yield log.body.results

    async def _call(self, method: Any, **arguments: Any) -> Any:
        if inspect.iscoroutinefunction(method):
            return await method(**arguments)
        return await self.threads.run(functools.partial(method, **arguments))

    def _decoded(self, meta: bytes) -> Any:
        try:
            return self.agent.metadata_type.decode(meta)
        except Exception as error:  # whatever the plugin's decoder makes of foreign bytes
            raise BadMetadataError(
                f"resource_meta: {len(meta)} bytes that {self.name} cannot read "
                f"({type(error).__name__}); expected what its CreateTask returned"
            ) from error


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Turn what a stock agent raises into its message; the traceback goes to the log."""
    try:
        yield
    except NotImplementedError:
        raise
    except Exception as error:
        _log.exception("a stock agent raised")
        raise StockAgentError(f"{type(error).__name__}: {describe(error)}") from error


def _models(start: Start) -> dict[str, Any]:
    return {
        "task_template": TaskTemplate.from_flyte_idl(start.template),
        "inputs": LiteralMap.from_flyte_idl(start.inputs),
        "output_prefix": start.output_prefix,
    }


async def _message(resource: Any) -> Resource:
    message: Resource = await resource.to_flyte_idl()
    return message
