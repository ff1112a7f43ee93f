"""The event loop of a service, and how its threads share the processor."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a service to its end, on the quickest event loop there is for this platform."""
    if sys.platform == "win32":
        import asyncio

        return asyncio.run(main)
    import uvloop

    with in_turn():
        return uvloop.run(main)


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """
    Have threads that are started inside wait for their turn on the processor, where it is Linux's.

    gRPC's threads wake up four times for each call, and each time take the processor from the one
    that answers calls: docs/decisions/scheduling.md. A policy that the operator has chosen stays.
    """
    if not hasattr(os, "SCHED_BATCH") or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield
        return
    with contextlib.suppress(OSError):  # a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
