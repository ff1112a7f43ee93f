"""What is done about memory when the service starts."""

from __future__ import annotations

import gc
import sys

from flyte_agent_server import allocator


def test_what_starting_has_left_is_not_looked_at_again() -> None:
    before = gc.get_threshold()
    gc.unfreeze()
    try:
        allocator.settle()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] > before[0]
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


def test_arenas_are_limited_where_nobody_has_said_otherwise(monkeypatch) -> None:
    """It must do no harm anywhere; what it saves is in docs/explanation/performance.md."""
    allocator.few_arenas()
    monkeypatch.setenv("MALLOC_ARENA_MAX", "8")
    allocator.few_arenas()
    assert sys.getallocatedblocks() > 0
