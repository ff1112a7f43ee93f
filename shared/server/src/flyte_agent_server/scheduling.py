"""
How threads share the processor.

gRPC's threads wake up several times for each call, and each time would take the processor from the
one that answers calls: docs/decisions/scheduling.md.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def in_turn() -> Iterator[None]:
    """
    Have threads that are started inside wait for their turn on the processor, where it is Linux's.

    They inherit the policy of the thread that starts them. One that the operator has chosen stays.
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
