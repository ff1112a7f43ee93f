"""
Which task types propeller sends to the service, and how.

Flyte 1 asks the service at its start and every ten seconds, over connections of its own. What one answer says takes
the place of everything before, and a failed one leaves nothing; then a type that was known at the start still goes to
the service, but as an asynchronous one, and any other is run as a container. In Flyte 2 the configuration decides.

Sources: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/plugins/webapi/connector/plugin.go,
https://github.com/flyteorg/flyte/blob/v1.16.8/flytepropeller/pkg/controller/nodes/task/handler.go and
https://github.com/flyteorg/flyte/blob/v2.0.43/executor/pkg/plugin/registry.go
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc

from .errors import CrashError, RpcError
from .stubs import list_stub
from .wire import lost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager

    from .dice import Dice
    from .pace import Pace
    from .settings import Settings
    from .wire import Wire


class Registry:
    """
    Knows the task types.

    Args:
        wire: The client, for the first answer.
        connect: Opens a connection for each further one; ``None`` to use the client's.
        pace: The clock.
        settings: Propeller's configuration.
        dice: What goes wrong.

    Attributes:
        failures: ListAgents that failed.
    """

    def __init__(
        self,
        wire: Wire,
        connect: Callable[[], AbstractAsyncContextManager[Any]] | None,
        pace: Pace,
        settings: Settings,
        dice: Dice,
    ) -> None:
        self._wire, self._connect = wire, connect
        self._pace, self._settings, self._dice = pace, settings, dice
        self._known: dict[str, bool] = {}
        self._at_start: frozenset[str] = frozenset()
        self._watching: asyncio.Task[None] | None = None
        self.failures = 0

    def route(self, task_type: str) -> bool | None:
        """Return whether a task is run synchronously; ``None`` if it does not go to the service at all."""
        configured = self._settings.supported_task_types
        if self._settings.flyte == 2:
            return False if task_type in configured else None
        if task_type in self._known:
            return self._known[task_type]
        return False if task_type in self._at_start | configured else None

    def describe(self) -> str:
        """Return what there is, for a message about a type that is not."""
        configured = ", ".join(sorted(self._settings.supported_task_types)) or "none"
        if self._settings.flyte == 2:
            return f"supportedTaskTypes has {configured}, and Flyte 2 goes by nothing else"
        listed = ", ".join(sorted({*self._known, *self._settings.supported_task_types})) or "none"
        return f"the service lists {listed}"

    async def start(self) -> None:
        """
        Ask the service for the first time, and watch it from then on.

        Raises:
            RpcError: It does not answer, and is not going to be asked again.
        """
        try:
            await self.refresh()
        except RpcError:
            if not self._settings.watch_s:
                raise
        self._at_start = frozenset(self._known)
        if self._settings.watch_s and self._watching is None:
            self._watching = asyncio.ensure_future(self._watch())

    async def refresh(self) -> Mapping[str, bool]:
        """
        Ask the service; return its task types and whether each is synchronous.

        Raises:
            RpcError: It does not answer.
        """
        self._known = await self._listed(None)
        return self._known

    async def close(self) -> None:
        """Watch no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None

    async def _watch(self) -> None:
        while True:
            await self._pace.sleep(self._settings.watch_s)
            try:
                async with self._connected() as stub:
                    self._known = await self._listed(stub)
                if self._dice.hits("lost_list", f"propeller/{self._pace.now_s():g}"):
                    raise lost("ListAgents")
            except (RpcError, CrashError):
                self.failures += 1
                self._known = {}

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        """Yield ListAgents over a connection of its own, if there can be one."""
        if self._connect is None:
            yield None
            return
        async with self._connect() as channel:
            yield list_stub(channel, self._settings.flyte)

    async def _listed(self, stub: Any) -> dict[str, bool]:
        try:
            return await self._wire.list_task_types(stub)
        except RpcError as error:
            if error.code is grpc.StatusCode.UNIMPLEMENTED:
                return {}  # a service without this method is asked by configuration alone
            raise
