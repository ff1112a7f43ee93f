"""The kit's side of a stand-in that is a ``FakeServer``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_agent_testing.server import FakeServer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyte_agent_testing.wire import Endpoint, Reply, Request

_LOOK_S = 0.002

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "unavailable": {"status": 503},
    "throttled": {"status": 429},
    "dropped": {"drop_connection": True},
    "garbled": {"status": 200},
    "denied": {"status": 403},
    "missing": {"status": 404},
    "lost": {"drop_connection": "after"},
}
"""The kit's faults as arguments of :meth:`flyte_agent_testing.faults.Faults.add`."""


class HoldingServer(FakeServer):
    """
    A server that can keep its answers back.

    Put it before a stand-in's own class::

        class KitWeather(HoldingServer, FakeWeather):
            pass
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._kept_back: frozenset[str] = frozenset()
        self.held = 0

    def hold(self, *routes: str) -> None:
        """From now on do what requests to these routes ask for, and keep the answers back."""
        self._kept_back = frozenset(routes)

    def release(self) -> None:
        """Send the answers that were kept back."""
        self._kept_back = frozenset()

    def on_stop(self) -> None:
        """Let nobody wait."""
        self.release()
        super().on_stop()

    async def _work(self, endpoint: Endpoint | None, request: Request) -> Reply:
        reply = await super()._work(endpoint, request)
        if request.route in self._kept_back:
            await self._keep_back(request.route)
        return reply

    async def _keep_back(self, route: str) -> None:
        self.held += 1
        try:
            while route in self._kept_back:  # noqa: ASYNC110  # released from another thread
                await asyncio.sleep(_LOOK_S)
        finally:
            self.held -= 1


class ServerBackend:
    """
    All of a backend but what is about jobs.

    Attributes:
        server: The stand-in.
        routes: Operation -> the stand-in's routes that the agent uses for it; none for one in which
            the agent does not call the vendor.
        faults: Changes to :data:`FAULTS`, such as the ``reason`` that the vendor gives with a status.
    """

    routes: ClassVar[Mapping[str, Sequence[str]]] = {}
    faults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __init__(self, server: HoldingServer) -> None:
        self.server = server

    def received(self) -> Sequence[Any]:
        """Return the bodies of the requests to create or to do something, as JSON, oldest first."""
        wanted = {*self.routes.get("create", ()), *self.routes.get("do", ())}
        found = [r for r in self.server.requests if r.route in wanted and r.method != "GET"]
        return [request.json for request in found]

    def inject(
        self, operation: str, fault: str, *, times: int | None = 1, message: str = ""
    ) -> None:
        """Meet the next calls of ``operation`` with a fault."""
        script = {**FAULTS[fault], **self.faults.get(fault, {})}
        for route in self.routes.get(operation, ()):
            self.server.faults.add(route, times=times, message=message, **script)

    def heal(self) -> None:
        """End all faults."""
        self.server.faults.clear()

    def hold(self, operation: str) -> None:
        """From now on do what calls of ``operation`` ask for, and keep the answers back."""
        self.server.hold(*self.routes.get(operation, ()))

    def release(self) -> None:
        """Send the answers that were kept back."""
        self.server.release()

    def held(self) -> int:
        """Return how many answers are being kept back."""
        return self.server.held
