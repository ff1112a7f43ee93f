"""Time limits for coroutines, the same on every Python that is supported."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def allow(seconds: float) -> Iterator[None]:
    """Cancel the body after ``seconds`` and raise ``TimeoutError``."""
    import anyio  # on first use: `import flytekit` imports this module, and must stay quick

    with anyio.fail_after(seconds):
        yield
