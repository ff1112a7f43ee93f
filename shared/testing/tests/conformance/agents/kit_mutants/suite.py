"""
The mutants in their suites, as pytest would find them in a project.

Run as a program with a part (``0/2`` for every second one) and a file: puts those mutants through
the kit and writes into the file, as JSON, what each failed: ``{suite: {check: text}}``.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections import defaultdict
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
    """Notes which checks failed; given to a run of pytest as a plugin."""

    def __init__(self) -> None:
        self.failed: dict[str, dict[str, str]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        _, suite, check = report.nodeid.split("::")
        if report.failed:
            self.failed[suite][check] = report.longreprtext


def main(part: str, file: str) -> int:
    """Put a part of the mutants through the kit."""
    os.environ[PART] = part
    gc.set_threshold(100_000)  # little is left behind, and looking for it takes a tenth of the time
    found = Verdicts()
    options = ["-c", "/dev/null", f"--rootdir={Path(__file__).parent}", "--assert=plain"]
    options += ["--import-mode=importlib", *(f"-pno:{plugin}" for plugin in WITHOUT)]
    code = pytest.main([__file__, *options], plugins=[found])
    Path(file).write_text(json.dumps(found.failed))
    return 0 if code in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED} else int(code)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
