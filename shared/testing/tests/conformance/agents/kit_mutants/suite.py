"""
The mutants in their suites, as pytest would find them in a project.

Run as a program with a part (``0/2`` for every second one): puts those mutants through the kit and prints a line for
each as soon as it is through, ``verdict {suite: {check: text}}`` with what it failed.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

import pytest

if __name__ == "__main__":  # whose own folder Python has put there
    sys.path[0] = str(Path(__file__).parents[1])

from kit_mutants import (
    adopting,  # noqa: F401  # the same
    creating,  # noqa: F401  # each module adds its own
    keeping,  # noqa: F401  # the same
    polling,  # noqa: F401  # the same
    sensing,  # noqa: F401  # the same
    showing,  # noqa: F401  # the same
    stopping,  # noqa: F401  # the same
    syncing,  # noqa: F401  # the same
    waiting,  # noqa: F401  # the same
)
from kit_mutants.mutant import ALL

PART = "KIT_MUTANTS_PART"
VERDICT = "verdict "

# What pytest does around each of seven thousand tests takes longer than most of them.
WITHOUT = (
    "cacheprovider",
    "faulthandler",
    "terminal",
    "threadexception",
    "unraisableexception",
    "warnings",
)

if part := os.environ.get(PART):
    first, step = map(int, part.split("/"))
    globals().update({mutant.suite.__name__: mutant.suite for mutant in ALL[first::step]})


class Verdicts:
    """Notes which checks failed, and says so suite by suite; given to a run of pytest as a plugin."""

    def __init__(self) -> None:
        self.failed: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed[report.nodeid.rpartition("::")[2]] = report.longreprtext

    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        self.last_of = item.cls if nextitem is None or nextitem.cls is not item.cls else None

    def pytest_runtest_logfinish(self) -> None:
        if self.last_of is not None:
            said = json.dumps({self.last_of.__name__: self.failed})
            os.write(OUT, f"{VERDICT}{said}\n".encode())
            self.failed = {}


def main(part: str) -> int:
    """Put a part of the mutants through the kit."""
    os.environ.update({PART: part, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
    gc.set_threshold(100_000)  # little is left behind, and looking for it takes a tenth of the time
    options = ["-c", "/dev/null", f"--rootdir={Path(__file__).parent}", "--assert=plain"]
    options += [
        "--noconftest",
        "--import-mode=importlib",
        *(f"-pno:{plugin}" for plugin in WITHOUT),
    ]
    code = pytest.main([__file__, *options], plugins=[Verdicts()])
    return 0 if code in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} else int(code)


if __name__ == "__main__":
    OUT = os.dup(1)  # what pytest does not capture
    sys.exit(main(*sys.argv[1:]))
