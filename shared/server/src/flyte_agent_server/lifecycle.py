"""From the first signal to the last answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .service import AgentService

_log = logging.getLogger("flyte_agent.server")

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def signals(on_hangup: Callable[[], None]) -> Iterator[asyncio.Queue[str]]:
    """
    Give the names of the stop signals that arrive, in order, as long as this is entered.

    ``on_hangup`` is called at each SIGHUP.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[str] = asyncio.Queue()
    for number in _SIGNALS:
        loop.add_signal_handler(number, arrived.put_nowait, number.name)
    loop.add_signal_handler(signal.SIGHUP, on_hangup)
    try:
        yield arrived
    finally:
        for number in (*_SIGNALS, signal.SIGHUP):
            loop.remove_signal_handler(number)


async def serve_until_told(service: AgentService, announce: Callable[[], None]) -> None:
    """
    Start, serve until SIGTERM or SIGINT, then drain; SIGHUP reads the protections again.

    ``announce`` is called when the service answers and a signal would be heard. Draining reports
    NOT_SERVING, takes no new calls and gives those in flight ``grace_s``. A second signal ends it
    at once.
    """
    with signals(service.security.reload) as arrived:
        await service.start()
        announce()
        name = await arrived.get()
        _log.info(
            "%s: draining, up to %.0f s; once more to stop at once", name, service.settings.grace_s
        )
        drained = asyncio.ensure_future(service.stop())
        again = asyncio.ensure_future(arrived.get())
        await asyncio.wait({drained, again}, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()
        if not drained.done():
            _log.warning("stopped before every call had ended")
            drained.cancel()
        await asyncio.gather(drained, again, return_exceptions=True)
        _log.info("stopped")
