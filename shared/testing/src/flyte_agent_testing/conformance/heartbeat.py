"""
Whether the event loop goes on while the agent waits for the vendor.

The vendor keeps its answer back until the loop has seen that it does. An agent that blocks the loop
would wait for ever, so after a while a thread that watches the loop's pulse lets the answer go, and
notes where the loop stood. It counts its own looks without a pulse, not time: on a machine that
stands still it does not look either. A loop that stands in the kit's own code waits for the
processor, not for an agent.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import sysconfig
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

_PULSE_S = 0.002
_LOOKS = 20
_SHOWN_CALLS = 3
_STANDARD = sysconfig.get_path("stdlib")
_KIT = str(Path(__file__).parent)


class Heartbeat:
    """
    Watches the pulse of the running loop from a thread of its own.

    Args:
        limit_s: How long the loop may have no pulse.
        rescue: Called, from the thread, when it has none for longer.

    Attributes:
        stood_at: Where the loop stood then; empty as long as it has a pulse.
    """

    def __init__(self, limit_s: float, rescue: Callable[[], object]) -> None:
        self._pause_s = limit_s / _LOOKS
        self._rescue = rescue
        self._loop_thread = threading.get_ident()
        self._missed = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="conformance-heartbeat")
        self._beating: asyncio.Future[None] | None = None
        self.stood_at = ""

    async def __aenter__(self) -> Self:
        self._beating = asyncio.ensure_future(self._beat())
        self._thread.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()
        if self._beating is not None:
            self._beating.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beating

    async def _beat(self) -> None:
        while True:
            self._missed = 0
            await asyncio.sleep(_PULSE_S)

    def _look(self) -> None:
        while not self._over.wait(self._pause_s):
            self._missed += 1
            if self._missed > _LOOKS and not self.stood_at:
                calls = _calls(self._loop_thread)
                if calls and calls[0].filename.startswith(_KIT):  # short of time, not of a pulse
                    self._missed = 0
                    continue
                self.stood_at = _shown(calls)
                self._rescue()


def _calls(thread: int) -> list[traceback.FrameSummary]:
    """Return the innermost calls of a thread, those of the standard library left out."""
    frame = sys._current_frames().get(thread)  # noqa: SLF001  # documented, for debuggers such as this
    stack = [call for call in traceback.extract_stack(frame) if not _is_standard(call.filename)]
    return stack[: -_SHOWN_CALLS - 1 : -1]


def _shown(calls: list[traceback.FrameSummary]) -> str:
    return " < ".join(f"{call.name} ({call.filename}:{call.lineno})" for call in calls)


def _is_standard(filename: str) -> bool:
    return filename.startswith(_STANDARD) and "site-packages" not in filename
