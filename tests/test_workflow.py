"""The CI runs what nox lists, and for a change to one package what that change can break."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from packages import Package, in_release_order, with_dependents
from plan import REPOSITORY, affected, rows
from release import is_due, lacks_note
from summary import count


def made_up(
    path: str, *dependencies: str, test: tuple[str, ...] = (), version: str = "1.0.0"
) -> Package:
    """A package that exists nowhere but here."""
    folder = path.rpartition("/")[2]
    project = {
        "name": f"flyte-agent-{folder}",
        "version": version,
        "dependencies": list(dependencies),
    }
    return Package(path, {"project": project, "dependency-groups": {"test": list(test)}})


CORE = made_up("shared/core", "flytekit>=1.16")
KIT = made_up("shared/testing", "flyte-agent-core>=1,<2")
SERVER = made_up("shared/server", "flyte-agent-core>=1,<2")
ONE = made_up("agents/one", "flyte-agent-core>=1,<2", test=("flyte-agent-testing[pytest]",))
TWO = made_up("agents/two", "Flyte_Agent.Core[x]>=1; python_version < '4'")
TREE = [ONE, TWO, CORE, SERVER, KIT]
ALL = {REPOSITORY, "one", "two", "core", "server", "testing"}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        pytest.param(["agents/one/src/x.py"], {REPOSITORY, "one"}, id="an-agent-is-tested-alone"),
        pytest.param(["shared/core/src/x.py"], ALL, id="core-is-tested-with-all-its-dependents"),
        pytest.param(["shared/testing/README.md"], {REPOSITORY, "testing", "one"}, id="kit"),
        pytest.param(["agents/one-more/x.py"], ALL, id="a-folder-of-no-package-may-break-all"),
        pytest.param(["constraints.txt"], ALL, id="pins-may-break-all"),
        pytest.param(
            ["docs/index.md", "tests/conftest.py"], {REPOSITORY}, id="docs-break-no-package"
        ),
        pytest.param([], {REPOSITORY}, id="nothing"),
    ],
)
def test_a_change_selects_what_it_can_break(changed: list[str], expected: set[str]) -> None:
    assert affected(changed, TREE) == expected


def test_dependents_are_followed_through_others() -> None:
    chain = [made_up("agents/a"), made_up("agents/b", "flyte-agent-a>=1")]
    chain.append(made_up("agents/c", "flyte-agent-b>=1"))

    assert with_dependents({"flyte-agent-a"}, chain) == {f"flyte-agent-{x}" for x in "abc"}


def test_a_change_to_core_selects_every_package_of_this_tree(packages: list[Package]) -> None:
    """All of them are written on core; if one is not, its dependencies are not read right."""
    assert affected(["shared/core/src/flyte_agent_core/agent.py"], packages) == {
        REPOSITORY,
        *(package.folder for package in packages),
    }


def test_a_change_to_an_agent_selects_no_other_package(
    agent: Package, packages: list[Package]
) -> None:
    assert affected([f"{agent.path}/src/x.py"], packages) == {REPOSITORY, agent.folder}


@pytest.fixture(scope="module")
def listing() -> list[dict[str, Any]]:
    """What ``nox --list --json`` says of this tree, from the nox that runs these tests or uv's."""
    pytest.importorskip("nox", reason="the root tests run with `nox -s together`")
    command = [sys.executable, "-m", "nox", "--list", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_matrix_has_one_row_per_package(
    listing: list[dict[str, Any]], packages: list[Package]
) -> None:
    assert rows(listing) == sorted({REPOSITORY, *(package.folder for package in packages)})


def test_row_of_a_package_runs_every_check_on_every_python(package: Package) -> None:
    """A row is ``nox --tags``, which also runs what a plain ``nox`` leaves out."""
    command = [sys.executable, "-m", "nox", "--list", "--json", "--tags", package.folder]
    row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = {entry["session"] for entry in row if package.folder in entry["tags"]}
    wanted = {f"tests({package.folder}-{python})" for python in ("3.11", "3.12")}
    wanted |= {f"tests_oldest({package.folder}-3.10)"}
    wanted.add(f"lowest({package.folder}-3.10)")
    wanted |= {f"lowest_newer({package.folder}-{python})" for python in ("3.11", "3.12")}

    assert found == wanted | {f"typing({package.folder})"}


def workflow(root: Path, name: str) -> dict[str, Any]:
    """One workflow file; YAML 1.1 reads its key ``on`` as true."""
    return yaml.safe_load((root / ".github" / "workflows" / name).read_text())


def test_matrix_of_the_workflow_comes_from_nox(root: Path) -> None:
    """A second list of packages would forget the next one."""
    jobs = workflow(root, "ci.yml")["jobs"]
    text = (root / ".github" / "workflows" / "ci.yml").read_text()

    assert jobs["check"]["strategy"]["matrix"] == {
        "row": "${{ fromJSON(needs.plan.outputs.rows) }}"
    }
    assert "nox --list --json | python .ci/plan.py" in text
    assert not [p for p in ("bigquery", "core", "server", "testing") if p in text], (
        "ci.yml names a package: take the name out, nox's list has it"
    )


def test_one_job_stands_for_all_required_checks(root: Path) -> None:
    jobs = workflow(root, "ci.yml")["jobs"]

    assert set(jobs["required-checks-pass"]["needs"]) == set(jobs) - {"required-checks-pass"}
    assert jobs["required-checks-pass"]["if"] == "always()", "a skipped job counts as passed"


@pytest.mark.parametrize("name", ["ci.yml", "release.yml"])
def test_workflows_are_given_nothing_they_do_not_ask_for(name: str, root: Path) -> None:
    assert workflow(root, name)["permissions"] == {}, f"{name}: set permissions: {{}} at the top"


def test_readme_and_ci_run_the_same_command(root: Path) -> None:
    readme, script = (root / "README.md").read_text(), (root / ".ci" / "run").read_text()

    assert "python -m pip install uv && uvx nox\n" in readme
    assert "python -m pip install --quiet uv && uvx nox\n" in script


def test_release_order_puts_dependencies_first() -> None:
    names = [package.folder for package in in_release_order(TREE)]

    assert names[0] == "core"
    assert sorted(names) == ["core", "one", "server", "testing", "two"]


def test_a_circle_of_dependencies_is_named() -> None:
    circle = [made_up("agents/a", "flyte-agent-b"), made_up("agents/b", "flyte-agent-a")]

    with pytest.raises(SystemExit, match="flyte-agent-a, flyte-agent-b need each other"):
        in_release_order(circle)


@pytest.mark.parametrize(
    ("changed", "new_dependencies", "lacking"),
    [
        pytest.param(["agents/one/src/x.py"], False, True, id="code"),
        pytest.param(["agents/one/tests/x.py"], False, False, id="tests"),
        pytest.param(["agents/one/pyproject.toml"], True, True, id="dependencies"),
        pytest.param(
            ["agents/one/src/x.py", "agents/one/changelog.d/+x.fixed.md"], False, False, id="noted"
        ),
        pytest.param(["agents/two/src/x.py"], False, False, id="another-package"),
    ],
)
def test_a_visible_change_needs_a_note(
    changed: list[str],
    new_dependencies: bool,
    lacking: bool,
) -> None:
    assert lacks_note(ONE, changed, new_dependencies=new_dependencies) is lacking


@pytest.mark.parametrize(
    ("tags", "changelog", "due"),
    [
        pytest.param([], "# Changes\n", False, id="not-released"),
        pytest.param([], "# Changes\n\n## 1.0.0 (2026-01-01)\n", True, id="released"),
        pytest.param(
            ["flyte-agent-one-v1.0.0"], "\n## 1.0.0 (2026-01-01)\n", False, id="published"
        ),
        pytest.param([], "\n## 1.0.0rc1 (2026-01-01)\n", False, id="another-version"),
    ],
)
def test_a_version_is_published_once_it_is_in_the_changelog(
    tags: list[str],
    changelog: str,
    due: bool,
) -> None:
    assert is_due(ONE, tags, changelog) is due


def test_summary_counts_cases_and_sessions(tmp_path: Path) -> None:
    """A session that broke after its cases passed is not lost."""
    for name, attributes in {
        "a": 'tests="5" failures="1" errors="1" skipped="1"',
        "b": 'tests="2"',
    }.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "0.xml").write_text(f"<testsuites><testsuite {attributes} /></testsuites>")
    sessions = [
        {"signatures": ["a", "tests"], "result": "failed"},
        {"signatures": ["b"], "result": "failed"},
        {"signatures": ["lint", "lint-3.12"], "result": "success"},
    ]

    assert count(sessions, tmp_path) == (2 + 2 + 1, 2 + 1)
