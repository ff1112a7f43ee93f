"""The event loop of a service."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeVar

from .scheduling import in_turn

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a service to its end, on the quickest event loop there is for this platform."""
    if sys.platform == "win32":
        import asyncio

        return asyncio.run(main)
    import uvloop

    with in_turn():
        return uvloop.run(main)
