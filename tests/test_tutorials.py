"""What a tutorial tells to write and to run works, and prints what it says."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TUTORIAL = "docs/tutorials/first-query.md"
COMMAND = "pyflyte run first_query.py wf --day 2024-01-31"


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from flyte_agent_bigquery.local import LocalBigQuery

    with LocalBigQuery() as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        yield server


@pytest.fixture
def tutorial(root: Path) -> str:
    """Its text."""
    return (root / TUTORIAL).read_text()


def program(tutorial: str) -> str:
    """The file that the tutorial has its reader write."""
    found = re.search(r"^   ```python\n(.*?)^   ```", tutorial, re.MULTILINE | re.DOTALL)
    assert found is not None, f"{TUTORIAL}: found no block ```python, expected the workflow"
    return textwrap.dedent(found[1])


def says(tutorial: str, lines: str) -> list[str]:
    """The lines that are not shown in the tutorial."""
    return [line for line in lines.splitlines() if line and f"       {line}\n" not in tutorial]


def test_first_query_gives_what_the_tutorial_says(
    stand_in: Any, tutorial: str, tmp_path: Path
) -> None:
    (tmp_path / "first_query.py").write_text(program(tutorial))
    pyflyte, *arguments = COMMAND.split()

    done = subprocess.run(
        [Path(sys.executable).with_name(pyflyte), *arguments], cwd=tmp_path,
        env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip

    result = done.stdout.rpartition("\n[")
    assert done.returncode == 0, done.stderr[-2000:]
    assert says(tutorial, f"{COMMAND}\n[{result[2]}") == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("AVG(delay)", "AVG(delays)"),
        (
            "config=CONFIG,\n    inputs",
            'config=BigQueryConfig(project="my-project", cost=CostGuard(max_bytes=10)),\n    inputs',
        ),
    ],
    ids=["misspelt", "too-dear"],
)
def test_its_mistakes_say_what_the_tutorial_says(
    stand_in: Any, tutorial: str, tmp_path: Path, before: str, after: str
) -> None:
    text = program(tutorial).replace("import BigQueryConfig", "import CostGuard, BigQueryConfig")
    file = tmp_path / "with_a_mistake.py"
    file.write_text(text.replace(before, after))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)

    with pytest.raises(Exception, match="task 'delays' FAILED") as failed:
        module.wf(day=dt.date(2024, 1, 31))

    del sys.modules[file.stem]
    told = str(failed.value).partition("FAILED: ")[2]
    assert told
    assert says(tutorial, told) == [], f"{TUTORIAL} shows another message"
