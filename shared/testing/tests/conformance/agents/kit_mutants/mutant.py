"""What a mutant is: an agent, its defect in a sentence, and the checks that must fail."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

from kit_reference import suites
from kit_reference.raw_agent import RawAgent
from kit_reference.raw_sync import RawSyncAgent
from kit_reference.sensor import Sensor
from kit_reference.sync_agent import WorkOutAgent

PREFIX = "test_"


@dataclasses.dataclass(frozen=True)
class Mutant:
    """
    One defect.

    Attributes:
        suite: The suite it has to go through, with the mutant in it.
        defect: What is wrong, as a sentence.
        caught_by: The checks that must fail; the first one is about this very defect.
        seen_in: Where the defect was found in the wild; empty if it was made up.
        group: What its module is about.
    """

    name: str
    suite: type
    defect: str
    caught_by: tuple[str, ...]
    seen_in: str
    group: str


ALL: list[Mutant] = []


def caught_by(*checks: str, seen_in: str = "", **settings: Any) -> Callable[[type], type]:
    """
    Make a class a mutant: an agent, or a suite that is used wrongly.

    Args:
        checks: Names of the checks that must fail, without ``test_``.
        seen_in: Where the defect was found in the wild.
        settings: Attributes of the suite, such as ``plugin_module``.
    """

    def add(cls: type) -> type:
        is_suite = issubclass(cls, suites.Quick)
        base = cls if is_suite else _suite_of(cls)
        own = settings if is_suite else {"agent_type": cls, **settings}
        suite = type(f"Test{cls.__name__}", (base,), own)
        defect = " ".join((cls.__doc__ or "").split())
        names = tuple(f"{PREFIX}{check}" for check in checks)
        group = inspect.getdoc(inspect.getmodule(cls)) or ""
        ALL.append(Mutant(cls.__name__, suite, defect, names, seen_in, group))
        return cls

    return add


class RawSuite(suites.Async):
    """The suite of agents that keep the rules by hand."""

    agent_type = RawAgent
    recorded_metas = suites.METAS / "raw"


def _suite_of(agent: type) -> type:
    if issubclass(agent, RawAgent):
        return RawSuite
    if issubclass(agent, (WorkOutAgent, RawSyncAgent)):
        return suites.Sync
    return suites.Sensing if issubclass(agent, Sensor) else suites.Async
