"""Each mutant fails the checks named for it, and no other: the kit sees every defect, and names it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from kit_mutants import suite
from kit_mutants.mutant import ALL
from kit_reference import suites

from flyte_agent_testing.conformance.checks import rules_of
from flyte_agent_testing.conformance.packaging import import_alone

PROCESSES = 2


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: Any) -> dict[str, dict[str, str]]:
    """What each mutant failed; they go through the kit in two processes, which wait in turns."""
    files = [tmp_path_factory.mktemp("mutants") / "verdicts.json" for _ in range(PROCESSES)]
    commands = [
        [sys.executable, suite.__file__, f"{n}/{PROCESSES}", str(file)]
        for n, file in enumerate(files)
    ]
    report = files[0].with_name("report.json")
    report.write_text(json.dumps(import_alone(suites.Quick.plugin_module)))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    pipes["env"] = {**os.environ, suites.KEPT_REPORT: str(report)}
    with contextlib.ExitStack() as open_runs:
        runs = [open_runs.enter_context(subprocess.Popen(c, **pipes)) for c in commands]
        said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * PROCESSES, "\n".join(said)
    return {name: failed for file in files for name, failed in json.loads(file.read_text()).items()}


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_mutant_fails_the_checks_named_for_it(mutant: Any, verdicts: Any) -> None:
    failed = verdicts.get(mutant.suite.__name__, {})
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
