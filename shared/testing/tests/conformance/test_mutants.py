"""Each mutant fails the checks named for it, and no other: the kit sees every defect, and names it."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from kit_mutants import suite
from kit_mutants.mutant import ALL
from kit_reference import suites

from flyte_agent_testing.conformance.checks import rules_of
from flyte_agent_testing.conformance.packaging import _import_alone

SUITE = Path(suite.__file__)
# What pytest does around each of seven thousand tests takes longer than most of them.
WITHOUT = (
    "cacheprovider",
    "faulthandler",
    "terminal",
    "threadexception",
    "unraisableexception",
    "warnings",
)
OPTIONS = ["-c", "/dev/null", *(f"-pno:{plugin}" for plugin in WITHOUT)]


class Verdicts:
    """Notes which checks failed, by suite; given to a run of pytest as a plugin."""

    def __init__(self) -> None:
        self.failed: dict[str, set[str]] = defaultdict(set)
        self.texts: dict[tuple[str, str], str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        _, name, check = report.nodeid.split("::")
        if report.failed:
            self.failed[name].add(check)
            self.texts[name, check] = report.longreprtext


def look_at_plugins() -> list[threading.Thread]:
    """Import every plugin module, each in its own process, while other things are done."""
    modules = {mutant.suite.plugin_module for mutant in ALL}
    lookers = [threading.Thread(target=_import_alone, args=(module,)) for module in modules]
    for looker in lookers:
        looker.start()
    return lookers


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    found = Verdicts()
    for looker in look_at_plugins():
        looker.join()
    mode = ["--import-mode=importlib", "--assert=plain", f"--rootdir={SUITE.parent}"]
    pytest.main([str(SUITE), *OPTIONS, *mode], plugins=[found])
    return found


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_mutant_fails_the_checks_named_for_it(mutant: Any, verdicts: Verdicts) -> None:
    name = mutant.suite.__name__
    failed = verdicts.failed[name]
    unexpected = "\n".join(verdicts.texts[name, check] for check in failed - {*mutant.caught_by})

    assert failed == set(mutant.caught_by), unexpected


@pytest.mark.parametrize("base", [suites.Async, suites.Sync, suites.Sensing])
def test_every_check_catches_something(base: Any) -> None:
    """A check that no mutant fails proves nothing; those that suites share need one in any of them."""
    caught = {check for mutant in ALL for check in mutant.caught_by}

    idle = [rule.name for rule in rules_of(base) if rule.name not in caught]

    assert not idle, f"break an agent so that it fails {', '.join(idle)}"


def test_mutants_are_many_and_told_apart() -> None:
    names = [mutant.name for mutant in ALL]

    assert len(set(names)) == len(names) >= 30
    assert all(mutant.defect.endswith(".") for mutant in ALL)
