"""One process of the agent service as Flyte sees it: bytes in, protobufs out, whatever the agent is built on."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import functools
import inspect
import threading
from typing import TYPE_CHECKING, Any

from flytekit.models.literals import LiteralMap
from flytekit.models.task import TaskExecutionMetadata, TaskTemplate

from flyte_agent_core import AsyncAgent, SyncAgent, rpc

from .checks import AgentRaised, Broken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flyteidl.admin.agent_pb2 import CreateTaskRequest, Resource

DEADLINE_S = 10.0
"""What propeller allows a call unless it is configured (flyte v1.16.8)."""

_DELETE_DEADLINE_S = 3.0
"""Less: the core repeats a delete that fails for as long as there is time, and pauses cost none here."""


class Replica:
    """
    One instance of the agent, called as a server calls it.

    An agent built on the core gets protobufs, any other one flytekit's models. Plain functions get threads.

    Args:
        agent: The instance.
        slack_s: Real seconds past its deadline after which a call is given up.
    """

    def __init__(self, agent: Any, slack_s: float) -> None:
        self.agent = agent
        self._slack_s = slack_s
        self.is_core = isinstance(agent, (AsyncAgent, SyncAgent))

    async def create(self, request: CreateTaskRequest, *, deadline_s: float = DEADLINE_S) -> bytes:
        """Start a job and return its metadata."""
        arguments = {**self._start(request), **self._whose(request)}

        async def call() -> bytes:
            meta = await self._call(self.agent.create, **arguments)
            return bytes(meta.encode())

        made: bytes = await self._in_time("create", call, deadline_s)
        return made

    async def get(self, meta: bytes, *, deadline_s: float = DEADLINE_S) -> Resource:
        """Poll a job."""

        async def call() -> Resource:
            found = await self._call(self.agent.get, resource_meta=self._decoded(meta))
            return await _message(found)

        return await self._in_time("get", call, deadline_s)

    async def delete(self, meta: bytes, *, deadline_s: float = _DELETE_DEADLINE_S) -> None:
        """Stop a job."""

        async def call() -> None:
            await self._call(self.agent.delete, resource_meta=self._decoded(meta))

        await self._in_time("delete", call, deadline_s)

    async def do(self, request: CreateTaskRequest, *, deadline_s: float = DEADLINE_S) -> Resource:
        """Do the work of a sync task."""
        whose = self._whose(request) if self.is_core else {}  # flytekit's service drops it

        async def call() -> Resource:
            return await _message(await self._call(self.agent.do, **self._start(request), **whose))

        return await self._in_time("do", call, deadline_s)

    async def settle(self, limit_s: float) -> None:
        """Wait until nothing goes on in the background, as far as that can be known."""
        if isinstance(self.agent, AsyncAgent):
            settled = self.agent.runtime.creates(self.agent).settle()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(settled, limit_s)

    def _decoded(self, meta: bytes) -> Any:
        return self.agent.metadata_type.decode(meta)

    def _start(self, request: CreateTaskRequest) -> dict[str, Any]:
        template, inputs = request.template, request.inputs
        return {
            "task_template": template if self.is_core else TaskTemplate.from_flyte_idl(template),
            "inputs": inputs if self.is_core else LiteralMap.from_flyte_idl(inputs),
            "output_prefix": request.output_prefix,
        }

    def _whose(self, request: CreateTaskRequest) -> dict[str, Any]:
        metadata = request.task_execution_metadata
        if not request.HasField("task_execution_metadata"):  # a local run of flytekit sends none
            return {"task_execution_metadata": None}
        model = metadata if self.is_core else TaskExecutionMetadata.from_flyte_idl(metadata)
        return {"task_execution_metadata": model}

    async def _call(self, method: Callable[..., Any], **arguments: Any) -> Any:
        if inspect.iscoroutinefunction(method):
            return await method(**arguments)
        return await _in_thread(functools.partial(method, **arguments))

    async def _in_time(
        self, operation: str, call: Callable[[], Awaitable[Any]], deadline_s: float
    ) -> Any:
        limit_s = deadline_s + self._slack_s
        try:
            return await asyncio.wait_for(_raised_as(operation, call, deadline_s), limit_s)
        except asyncio.TimeoutError:
            said = f"had not answered {operation} {limit_s:g} s after a call with {deadline_s:g} s"
            raise Broken(said) from None


async def _in_thread(call: Callable[[], Any]) -> Any:
    """Return ``call()``, run in a thread that keeps nobody from leaving when it hangs."""
    done: concurrent.futures.Future[Any] = concurrent.futures.Future()
    context = contextvars.copy_context()

    def work() -> None:
        try:
            found = context.run(call)
        except BaseException as error:  # noqa: BLE001  # whoever waits gets it
            outcome = functools.partial(done.set_exception, error)
        else:
            outcome = functools.partial(done.set_result, found)
        if done.set_running_or_notify_cancel():  # else nobody waits any more
            outcome()

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(done)


async def _raised_as(operation: str, call: Callable[[], Awaitable[Any]], deadline_s: float) -> Any:
    try:
        with rpc.serving(deadline_s):
            return await call()
    except Exception as error:
        raise AgentRaised(operation, f"{type(error).__name__}: {error}") from error


async def _message(resource: Any) -> Resource:
    message: Resource = await resource.to_flyte_idl()
    return message
