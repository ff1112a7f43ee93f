"""Each mutant fails the checks named for it, and no other: the kit sees every defect, and names it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from kit_mutants import suite
from kit_mutants.mutant import ALL
from kit_reference import suites

from flyte_agent_testing.conformance.checks import rules_of
from flyte_agent_testing.conformance.packaging import import_alone

pytestmark = pytest.mark.once

PROCESSES = 2


class Verdicts:
    """What each mutant failed, as it becomes known; the mutants go through the kit in processes of their own."""

    def __init__(self, env: dict[str, str]) -> None:
        self._known: dict[str, dict[str, str]] = {}
        self._news = threading.Condition()
        self._said: list[str] = []
        self._unread = PROCESSES
        parts = [f"{number}/{PROCESSES}" for number in range(PROCESSES)]
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._runs = [
            subprocess.Popen([sys.executable, suite.__file__, part], text=True, env=env, **pipes)
            for part in parts
        ]
        self._readers = [threading.Thread(target=self._read, args=(run,)) for run in self._runs]
        for reader in self._readers:
            reader.start()

    def of(self, name: str) -> dict[str, str]:
        """Wait for a suite, and return what it failed."""
        with self._news:
            self._news.wait_for(lambda: name in self._known or not self._unread)
        assert name in self._known, "".join(self._said)
        return self._known[name]

    def close(self) -> None:
        """End the processes, which have nothing left to do unless a test failed."""
        for run in self._runs:
            run.kill()
        for reader in self._readers:
            reader.join()

    def _read(self, run: subprocess.Popen[str]) -> None:
        with run:
            for line in run.stdout:
                self._take(line)
        with self._news:
            self._unread -= 1
            self._news.notify_all()

    def _take(self, line: str) -> None:
        with self._news:
            if line.startswith(suite.VERDICT):
                self._known.update(json.loads(line.removeprefix(suite.VERDICT)))
                self._news.notify_all()
            else:
                self._said.append(line)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: Any) -> Iterator[Verdicts]:
    report = tmp_path_factory.mktemp("mutants") / "report.json"
    report.write_text(json.dumps(import_alone(suites.Quick.plugin_module)))
    found = Verdicts({**_without_coverage(), suites.KEPT_REPORT: str(report)})
    yield found
    found.close()


def _without_coverage() -> dict[str, str]:
    """The environment, less what has coverage follow: the good agents run the same lines at half the cost."""
    return {name: value for name, value in os.environ.items() if "COVERAGE" not in name}


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_mutant_fails_the_checks_named_for_it(mutant: Any, verdicts: Verdicts) -> None:
    failed = verdicts.of(mutant.suite.__name__)
    unexpected = [text for check, text in failed.items() if check not in mutant.caught_by]

    assert set(failed) == set(mutant.caught_by), "\n".join(unexpected)


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
