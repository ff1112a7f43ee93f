"""The benchmark still runs: every part, at sizes that measure nothing."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from packages import ROOT

PYTHONS = ["ours", "served", "author", "stock", "bare", "spark"]


def parts() -> tuple[str, ...]:
    """What `nox -s bench` measures."""
    tree = ast.parse((ROOT / "benchmarks" / "run.py").read_text())
    values = {ast.unparse(n.targets[0]): n.value for n in tree.body if isinstance(n, ast.Assign)}
    found: tuple[str, ...] = ast.literal_eval(values["PARTS"])
    return found


# The fuzz is a test of the service, and runs with its tests.
RUN_HERE = sorted(set(parts()) - {"fuzz"})


@pytest.mark.stock
@pytest.mark.bench
@pytest.mark.parametrize("part", RUN_HERE)
def test_part_runs(part: str, root: Path, tmp_path: Path) -> None:
    """All peers are this environment: flytekit's service is in it, and both BigQuery agents."""
    figures = tmp_path / "figures.json"
    pythons = [f"--{name}={sys.executable}" for name in PYTHONS]

    done = subprocess.run(
        [sys.executable, "benchmarks/run.py", part, "--tiny", f"--json={figures}", *pythons],
        cwd=root, capture_output=True, text=True, timeout=220, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(figures.read_text())["parts"][part]
    assert rows
    assert all(row["ours"] is not None for row in rows)
    bad = [row for row in rows if "failed" in row["what"] or "lost" in row["what"]]
    assert not any(row["ours"] for row in bad if not row["unit"])


def test_page_has_a_place_for_every_part(root: Path) -> None:
    page = (root / "docs" / "explanation" / "performance.md").read_text()

    places = re.findall(r"<!-- bench: (\w+) -->", page)

    assert sorted(places) == sorted(parts()), "add <!-- bench: NAME --> and <!-- end of NAME -->"
    assert sorted(re.findall(r"<!-- end of (\w+) -->", page)) == sorted(places)
