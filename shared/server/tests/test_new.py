"""``flyte-agent new``: complete packages, nothing overwritten, and a repository that knows them."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomlkit
import yaml
from click.testing import CliRunner

from flyte_agent_server.cli import main
from flyte_agent_server.new import KINDS, NewAgentError, create

pytestmark = pytest.mark.once

COMMAND = [sys.executable, "-m", "flyte_agent_server", "new"]
ROOT_PYPROJECT = """
[project]
dependencies = [
    "flyte-agent-bigquery[local]", # a comment that stays
    "flyte-agent-core",
]

[tool.flyte-agents]
coverage-floor = { agents = 95 }

[tool.uv.sources]
flyte-agent-bigquery = { workspace = true }
flyte-agent-core = { workspace = true }

[tool.importlinter]
root_packages = [
    "flyte_agent_bigquery",
    "flyte_agent_core",
]

[[tool.importlinter.contracts]]
modules = ["flyte_agent_bigquery"]

[[tool.importlinter.contracts]]
source_modules = ["flyte_agent_core"]
forbidden_modules = ["flyte_agent_bigquery", "flyte_agent_server", "flyte_agent_testing", "pytest"]
"""
TABLE = """
| package | for |
|---|---|
| [flyte-agent-bigquery](agents/bigquery/README.md) | workflow authors |
| [flyte-agent-core](shared/core/README.md) | agent authors |

More.
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """What of this project's repository an agent has to join."""
    root = tmp_path / "repository"
    for file, text in {
        "pyproject.toml": ROOT_PYPROJECT,
        "noxfile.py": "",
        "LICENSE": "the licence of the repository",
        "README.md": TABLE,
        "agents/bigquery/pyproject.toml": "",
        "docs/reference/index.md": "",
    }.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(text)
    return root


def texts(folder: Path) -> dict[str, str]:
    """Every file of a package."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in found}


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_is_complete(kind: str, tmp_path: Path) -> None:
    made = create("ice-cream", {"kind": kind}, tmp_path)

    files = texts(made.folder)

    assert made.folder == tmp_path / "flyte-agent-ice-cream"
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "noxfile.py"} <= set(files)
    source = "src/flyte_agent_ice_cream"
    assert {f"{source}/agent.py", f"{source}/local/server.py", f"{source}/py.typed"} <= set(files)
    assert (f"{source}/meta.py" in files) == (kind != "sync")
    assert (f"{source}/phases.py" in files) == (kind == "async")
    assert "Conformance" in files["tests/test_conformance.py"]
    assert "Apache License" in files["LICENSE"]
    unrendered = [name for name, text in files.items() if re.search(r"{[{%] ?(if|name|cls)", text)]
    assert not unrendered


def test_answers_are_kept_with_the_package_and_tell_nothing_of_the_machine(tmp_path: Path) -> None:
    said = {"kind": "sync", "vendor": "Ice & Cream".replace("&", "-"), "task_type": "ice"}

    made = create("ice-cream", said, tmp_path)

    kept = yaml.safe_load((made.folder / ".flyte-agent.yml").read_text())
    assert kept.pop("template")
    assert kept == {"name": "ice-cream", **said}


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    made = create("ice", {}, tmp_path)
    before = texts(made.folder)

    with pytest.raises(NewAgentError, match="is there already: nothing was changed"):
        create("ice", {"kind": "sync"}, tmp_path)

    assert texts(made.folder) == before


def test_an_agent_joins_the_repository(repository: Path) -> None:
    made = create("ice-cream", {"kind": "sensor"}, repository / "docs")

    assert made.folder == repository / "agents" / "ice-cream"
    assert made.repository == repository
    files = texts(made.folder)
    assert files["LICENSE"] == "the licence of the repository"
    assert "noxfile.py" not in files
    assert tomlkit.parse(files["pyproject.toml"])["tool"]["flyte-agent"]["kind"] == "sensor"
    assert (repository / "docs/reference/ice-cream.md").is_file()
    rows = re.findall(r"\[(flyte-agent-[\w-]+)\]", (repository / "README.md").read_text())
    assert rows == ["flyte-agent-bigquery", "flyte-agent-core", "flyte-agent-ice-cream"]


def test_every_list_of_the_root_names_the_agent(repository: Path) -> None:
    create("aardvark", {}, repository)

    text = (repository / "pyproject.toml").read_text()
    root: Any = tomlkit.parse(text).unwrap()

    assert root["project"]["dependencies"][0] == "flyte-agent-aardvark[local]"
    assert "# a comment that stays" in text
    assert next(iter(root["tool"]["uv"]["sources"])) == "flyte-agent-aardvark"
    assert "flyte-agent-aardvark = { workspace = true }\n" in text
    rules = root["tool"]["importlinter"]
    assert rules["root_packages"][0] == "flyte_agent_aardvark"
    first, second = rules["contracts"]
    assert first["modules"] == ["flyte_agent_aardvark", "flyte_agent_bigquery"]
    assert second["source_modules"] == ["flyte_agent_core"]
    assert second["forbidden_modules"][0] == "flyte_agent_aardvark"
    assert max(map(len, text.splitlines())) <= 100


def test_an_agents_row_stands_where_it_belongs(repository: Path) -> None:
    create("aardvark", {}, repository)

    rows = re.findall(r"\[(flyte-agent-[\w-]+)\]", (repository / "README.md").read_text())

    assert rows == sorted(rows)


def test_a_readme_without_a_table_stays_as_it_is(repository: Path) -> None:
    (repository / "README.md").write_text("Nothing.")

    create("ice", {}, repository)

    assert (repository / "README.md").read_text() == "Nothing."


@pytest.mark.parametrize("name", ["Ice", "1ce", "ice_cream", "ice--cream", "x" * 31, ""])
def test_a_name_that_cannot_be_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(NewAgentError, match=r"NAME: found .*, expected at most 30 lower-case"):
        create(name, {}, tmp_path)


def test_names_of_the_projects_own_packages_are_taken(tmp_path: Path) -> None:
    with pytest.raises(NewAgentError, match="flyte-agent-core is a part of this project"):
        create("core", {}, tmp_path)


@pytest.mark.parametrize(
    "said", [{"vendor": "9 lives"}, {"vendor": "x" * 31}, {"task_type": "Ice"}], ids=str
)
def test_an_answer_that_cannot_be_is_refused(said: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(NewAgentError, match=r"(?s)^--[a-z-]+: found .*expected\s+at most"):
        create("ice", said, tmp_path)

    assert not (tmp_path / "flyte-agent-ice").exists()


@pytest.mark.parametrize("missing", ["copier", "ruff", "flyte_agent_testing"])
def test_what_is_not_installed_is_said_with_the_command_that_installs_it(
    missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(NewAgentError, match=r"pip install 'flyte-agent-server\[new\]'"):
        create("ice", {}, tmp_path)


@pytest.mark.parametrize("inside", [True, False])
def test_the_command_says_what_to_do_next(
    inside: bool,
    repository: Path,
    tmp_path: Path,
) -> None:
    where = str(repository if inside else tmp_path)

    done = CliRunner().invoke(main, ["new", "ice", "--vendor", "ICE", "--where", where])

    assert done.exit_code == 0, done.output
    assert ("uvx nox -t ice" if inside else "git init") in done.output
    assert ("docs/reference/ice.md" in done.output) == inside
    assert "local/server.py" in done.output


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "ice"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "flyte-agent-ice/src/flyte_agent_ice/phases.py").is_file()


def test_on_a_terminal_it_asks(tmp_path: Path) -> None:
    """Kind: the second; the platform's name: typed over the proposal; task type: as proposed."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    with subprocess.Popen(
        [*COMMAND, "ice"], cwd=tmp_path, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        answer(ours, "What does it do", "\x1b[B\r")
        answer(ours, "The platform", "\x15Gelato\r")
        answer(ours, "The task type", "\r")
        said = read_until(ours, "what is still wrong")
        assert process.wait(60) == 0, said
    os.close(ours)

    kept = yaml.safe_load((tmp_path / "flyte-agent-ice/.flyte-agent.yml").read_text())
    assert (kept["kind"], kept["vendor"], kept["task_type"]) == ("sync", "Gelato", "ice_call")


def answer(terminal: int, question: str, keys: str) -> None:
    """Press keys once a question stands there."""
    read_until(terminal, question)
    os.write(terminal, keys.encode())


def read_until(terminal: int, words: str) -> str:
    """Return what is written, up to these words."""
    seen = ""
    while words not in seen:
        try:
            seen += os.read(terminal, 4096).decode(errors="replace")
        except OSError as gone:
            raise AssertionError(f"ended without saying {words!r}: {seen}") from gone
    return seen
