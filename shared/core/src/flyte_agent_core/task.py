"""The author's side: a task that an agent runs, on a cluster and on a laptop."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from . import rpc
from ._flyte import (
    ConnectorRegistry,
    FlyteContext,
    FlyteContextManager,
    FlyteUserException,
    LiteralMap,
    PythonTask,
)
from .attempt import Attempt
from .phases import Phase

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from flytekit.models.task import TaskTemplate

    from .agent import AsyncAgent, SyncAgent
    from .resource import Resource

T = TypeVar("T")

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.2, 5.0
_LOCAL_DEADLINE_S = 600.0


class AgentTask(PythonTask[T]):
    """
    Base of task classes whose work is done by an agent.

    ``T`` is the type of the task's configuration. On a cluster Flyte sends the task to the agent
    service; in a local run the agent works in this process: it is polled at once and then every
    0.2 s to 5 s, the task's timeout holds, each new phase is a line on standard error, and Ctrl-C
    stops the job.
    """

    def dispatch_execute(self, ctx: FlyteContext, input_literal_map: LiteralMap) -> LiteralMap:
        """Run the task with the agent installed here, on the literals that Flyte would send."""
        from flytekit.configuration import ImageConfig, SerializationSettings
        from flytekit.tools.translator import get_serializable

        settings = ctx.serialization_settings or SerializationSettings(ImageConfig())
        template = get_serializable(OrderedDict(), settings, self).template
        agent = ConnectorRegistry.get_connector(template.type, template.task_type_version)
        prefix = ctx.file_access.get_random_remote_directory()
        attempt = self.local_attempt(ctx, template, prefix, input_literal_map)
        resource = _in_background(_run(self.name, agent, attempt))
        if resource.phase is not Phase.SUCCEEDED:
            raise FlyteUserException(
                f"task {self.name!r} {resource.phase.name}: {resource.message}"
            )
        return self._outputs(ctx, prefix, resource)

    def local_attempt(
        self, ctx: FlyteContext, template: TaskTemplate, output_prefix: str, literals: LiteralMap
    ) -> Attempt:
        """
        Return what a local run gives to the agent.

        On a cluster Flyte does more before it calls an agent, such as writing the inputs to storage;
        a task that needs it does it here.
        """
        return Attempt.of(template, output_prefix, literals)

    def execute(self, **kwargs: Any) -> Any:
        """Run the task on Python values, as flytekit's own test helpers do."""
        from flytekit.core.type_engine import TypeEngine

        ctx = FlyteContextManager.current_context()
        literals = TypeEngine.dict_to_literal_map(ctx, kwargs, self.get_input_types())
        return self.dispatch_execute(ctx, literals)

    def _outputs(self, ctx: FlyteContext, prefix: str, resource: Resource) -> LiteralMap:
        from flytekit.core.type_engine import TypeEngine

        if isinstance(resource.outputs, LiteralMap):
            return resource.outputs
        if resource.outputs is not None:
            return TypeEngine.dict_to_literal_map(
                ctx, resource.outputs, self.python_interface.outputs
            )
        if not self.python_interface.outputs:
            return LiteralMap(literals={})
        return _read_outputs(ctx, prefix)


def _read_outputs(ctx: FlyteContext, prefix: str) -> LiteralMap:
    from flyteidl.core import literals_pb2
    from flytekit.core.utils import load_proto_from_file

    path = ctx.file_access.get_random_local_path()
    ctx.file_access.get_data(f"{prefix}/outputs.pb", path)
    return LiteralMap.from_flyte_idl(load_proto_from_file(literals_pb2.LiteralMap, path))


async def _run(name: str, agent: AsyncAgent[Any] | SyncAgent, attempt: Attempt) -> Resource:
    from .agent import SyncAgent

    with rpc.serving(_LOCAL_DEADLINE_S):
        if isinstance(agent, SyncAgent):
            return await agent.do(attempt)
        meta = await agent.create(attempt)
    try:
        return await _poll(name, agent, meta, attempt.timeout_s)
    except (asyncio.CancelledError, TimeoutError):
        await asyncio.shield(asyncio.ensure_future(_stop(agent, meta)))
        raise


async def _stop(agent: AsyncAgent[Any], meta: Any) -> None:
    with rpc.serving(30.0):
        await agent.delete(meta)


async def _poll(name: str, agent: AsyncAgent[Any], meta: Any, timeout_s: float) -> Resource:
    pause_s, shown, started_s = _FIRST_PAUSE_S, "", agent.clock.monotonic()
    while True:
        with rpc.serving(30.0):
            resource = await agent.get(meta)
        shown = _show(name, resource, shown)
        if resource.phase.is_terminal:
            return resource
        if timeout_s and agent.clock.monotonic() - started_s > timeout_s:
            raise TimeoutError(
                f"task {name!r} is not done after its timeout of {timeout_s:.0f} s; it was stopped"
            )
        await agent.clock.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LAST_PAUSE_S)


def _show(name: str, resource: Resource, shown: str) -> str:
    line = f"[{name}] {resource.phase.name}" + (f": {resource.message}" if resource.message else "")
    if not shown:
        line += "".join(f"\n[{name}] {title}: {url}" for title, url in resource.links.items())
    if line != shown:
        sys.stderr.write(line + "\n")
    return line


def _in_background(work: Coroutine[Any, Any, Resource]) -> Resource:
    """Return what ``work`` gives, run on the loop that all local runs of this process share."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except (KeyboardInterrupt, SystemExit):  # flytekit turns Ctrl-C into the latter
        future.cancel()  # the job is deleted before the task ends
        _settle()
        raise


def _settle() -> None:
    import concurrent.futures

    async def quiet() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait([task], timeout=30.0)

    try:
        asyncio.run_coroutine_threadsafe(quiet(), _loop()).result(timeout=35.0)
    except concurrent.futures.TimeoutError:
        sys.stderr.write("the job may still run: stopping it took longer than 30 s\n")


_local: list[asyncio.AbstractEventLoop] = []
_local_lock = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    with _local_lock:
        if not _local:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="flyte-agent-local", daemon=True).start()
            _local.append(loop)
        return _local[0]
