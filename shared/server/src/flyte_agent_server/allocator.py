"""
Memory of a process that lives for months: what is done about it once, at the start.

By default glibc gives every thread that allocates an arena of its own, up to eight for each core,
and each keeps what was once freed in it. Vendors' libraries are imported in a thread, which alone
leaves several MiB behind. Elsewhere than on glibc nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os

_ARENA_MAX = -8  # M_ARENA_MAX of malloc.h
_ARENAS = 2
_VARIABLES = ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
_COLLECT_AFTER = (10_000, 20, 50)
"""
Python's own first figure is 700: hundreds of calls in flight are looked through for every few of
them. What waits for a collection is little: five small objects of gRPC's for each call.
"""


def few_arenas() -> None:
    """Have all threads share two arenas; call it before there are threads."""
    if not any(name in os.environ for name in _VARIABLES):  # whoever sets them knows better
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).mallopt(_ARENA_MAX, _ARENAS)


def settle() -> None:
    """
    Give back what starting has left, and never look at its objects again.

    They live as long as the process: without this, each full collection walks half a million of
    them, and every call waits for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
