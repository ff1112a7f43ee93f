"""The tutorial for authors: its blocks are the files of a package, and what it says about them is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TUTORIAL = "docs/tutorials/new-agent.md"
BLOCK = re.compile(r"^`([\w./]+)`:\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
AGENT = "src/flyte_agent_nomad/agent.py"
LONGEST_LINES = 80
SHOWN = [
    "Every form of metadata the agent has ever written is on record, and can be read.",
    "  The agent: has no metadata on record: name a folder with at least one file",
    "One attempt is one job, however often create is called.",
    "  Repair:    derive the vendor's job id or idempotency token from the attempt (`attempt.job_id()`); when",
]


@pytest.fixture(scope="module")
def tutorial() -> str:
    """Its text."""
    return (Path(__file__).parents[1] / TUTORIAL).read_text()


@pytest.fixture(scope="module")
def files(tutorial: str) -> dict[str, str]:
    """Its files."""
    return dict(BLOCK.findall(tutorial))


def written(files: dict[str, str], folder: Path) -> Path:
    """Write the files as its reader does."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def checked(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run its tests as its reader does."""
    path = os.pathsep.join(["src", os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "pytest", "tests", "-pno:cacheprovider", *options]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def code_lines(text: str) -> list[str]:
    """Lines that are neither empty nor comment nor docstring of one line."""
    lines = [line.strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(("#", '"""'))]


def test_every_file_it_announces_is_there(tutorial: str, files: dict[str, str]) -> None:
    announced = set(re.findall(r"^    ((?:src|tests)/\S+|pyproject\.toml)", tutorial, re.MULTILINE))

    assert announced == set(files) - {"tests/metas/0.1.json"}


def test_the_agent_passes_every_check(files: dict[str, str], tmp_path: Path) -> None:
    done = checked(written(files, tmp_path))

    assert done.returncode == 0, done.stdout[-3000:]
    assert " skipped" not in done.stdout


def test_what_fails_says_what_the_tutorial_shows(
    tutorial: str, files: dict[str, str], tmp_path: Path
) -> None:
    """Without a record of metadata, and with an id that differs from call to call."""
    without = {name: text for name, text in files.items() if not name.endswith(".json")}
    agent = without[AGENT].replace(
        "config.job(attempt.job_id(generation))", "config.job(uuid.uuid4().hex)"
    )
    without[AGENT] = agent.replace("import os\n", "import os\nimport uuid\n")
    assert "uuid4()" in without[AGENT], "the tutorial has its reader change another line"

    done = checked(written(without, tmp_path), "-k", "recorded_metadata or create_twice")

    assert "2 failed" in done.stdout
    for line in SHOWN:
        assert f"{line}\n" in tutorial, f"{TUTORIAL} does not show {line!r}"
        assert line in done.stdout, f"{TUTORIAL} shows another message than {line!r}"


def test_the_agent_is_small(files: dict[str, str]) -> None:
    lines = len(code_lines(files[AGENT]))

    assert lines <= LONGEST_LINES, f"{AGENT} of {TUTORIAL} has {lines} lines"
