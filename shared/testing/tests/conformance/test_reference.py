"""Agents that keep every rule pass every check: the kit raises no false alarm."""

from __future__ import annotations

import itertools
import os

from kit_reference import suites
from kit_reference.core_agent import BlockingCoreAgent
from kit_reference.raw_agent import RawAgent
from kit_reference.raw_sync import RawSyncAgent


class TestCoreAgent(suites.Async):
    """Written on the core, as an author does it."""


class TestBlockingCoreAgent(suites.Async):
    """The same with a vendor SDK that blocks."""

    agent_type = BlockingCoreAgent


class TestRawAgent(suites.Async):
    """Written on flytekit's base alone, every rule kept by hand."""

    agent_type = RawAgent
    recorded_metas = suites.METAS / "raw"


class TestSyncAgent(suites.Sync):
    """Done when it answers."""


class TestRawSyncAgent(suites.Sync):
    """The same, written on flytekit's base alone."""

    agent_type = RawSyncAgent


class AsksAgain(RawSyncAgent):
    """Asks the vendor again in every call of an attempt: the vendor cannot tell them apart."""

    numbers = itertools.count()

    def key(self, output_prefix: str) -> str:
        return f"key-{next(self.numbers)}"


class TestSyncAgentThatAsksAgain(suites.Sync):
    """What it says of itself is accepted."""

    agent_type, asks_once = AsksAgain, False


class TestSlowVendor(suites.Async):
    """Each call takes a few turns of the event loop, more or less."""

    seed = 7


class TestSensor(suites.Sensing):
    """Waits for something."""


# Each call takes a few turns of the event loop, more or less, as the seed says; `nox -s stories` has fifty.
for seed in range(1, int(os.environ.get("KIT_SEEDS", "1")) + 1):
    for suite in (suites.Async, suites.Sync, suites.Sensing):
        name = f"TestSeed{seed}{suite.__name__}"
        globals()[name] = type(name, (suite,), {"seed": seed})
