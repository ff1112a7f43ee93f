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
def signals() -> Iterator[asyncio.Queue[str]]:
    """Give the names of the stop signals that arrive, in order, as long as this is entered."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[str] = asyncio.Queue()
    for number in _SIGNALS:
        loop.add_signal_handler(number, arrived.put_nowait, number.name)
    try:
        yield arrived
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


async def serve_until_told(service: AgentService, announce: Callable[[], None]) -> None:
    """
    Start, serve until SIGTERM or SIGINT, then drain.

    ``announce`` is called when the service answers and a signal would be heard. Draining reports
    NOT_SERVING, takes no new calls and gives those in flight ``grace_s``. A second signal ends it
    at once.
    """
    with signals() as arrived:
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
