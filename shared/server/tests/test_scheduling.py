"""How the threads of a service share the processor."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from flyte_agent_server.scheduling import in_turn

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux alone has it")


def policy() -> int:
    return os.sched_getscheduler(0)


def in_a_thread(function: Callable[[], object]) -> object:
    """A policy is a thread's own, so the test's stays as it was."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function).result()


def test_threads_started_inside_wait_for_their_turn():
    with in_turn():
        started = in_a_thread(policy)
    assert (started, policy()) == (os.SCHED_BATCH, os.SCHED_OTHER)


def test_the_operators_own_policy_stays():
    def served() -> tuple[object, int]:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        with in_turn():
            return in_a_thread(policy), policy()

    assert in_a_thread(served) == (os.SCHED_IDLE, os.SCHED_IDLE)
