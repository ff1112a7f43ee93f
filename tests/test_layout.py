"""Every package looks like the others inside, so that who knows one finds their way in all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomllib

from packages import Package

EVERY_PACKAGE = ["README.md", "LICENSE", "CHANGELOG.md", "changelog.d", "pyproject.toml", "tests"]
AGENT_MODULES = [
    "__init__", "plugin", "agent", "client", "config", "meta", "phases", "errors", "task",
]  # fmt: skip
AGENT_TESTS = ["agent", "client", "config", "phases", "errors", "conformance"]

# Kind of agent, by `kind` in its [tool.flyte-agent] (async if it does not say) -> modules it has no
# use for: one that is done when it answers keeps nothing, one that only looks has no job's states.
NOT_OF_KIND = {"async": set(), "sync": {"meta", "phases"}, "sensor": {"phases"}}

# Package folder -> what it does without, and why. An entry that is no longer true fails.
WITHOUT: dict[str, dict[str, str]] = {}

FRAGMENT = re.compile(r"\+[\w.-]+\.(breaking|deprecated|added|changed|fixed|security)\.md")


def expected_files(package: Package) -> list[str]:
    """The files a package must have, from its own folder."""
    source = f"src/{package.module}"
    files = [*EVERY_PACKAGE, f"{source}/__init__.py", f"{source}/py.typed"]
    if package.is_agent:
        unused = NOT_OF_KIND[package.about.get("kind", "async")]
        # A module that outgrew one file is a package of the same name.
        files += [f"{source}/{module}.py" for module in AGENT_MODULES if module not in unused]
        files += [f"tests/test_{module}.py" for module in AGENT_TESTS if module not in unused]
    return files


def exists(folder: Path, file: str) -> bool:
    """Whether the file is there, or for a module the package of that name."""
    return (folder / file).exists() or (folder / file.removesuffix(".py") / "__init__.py").exists()


def test_has_the_files_of_every_package(package: Package, root: Path) -> None:
    excused = WITHOUT.get(package.folder, {})
    folder = root / package.path

    missing = {file for file in expected_files(package) if not exists(folder, file)}

    assert missing <= set(excused), (
        f"{package.path} lacks {sorted(missing - set(excused))}: add them, "
        "or name the exception and its reason in WITHOUT of this file"
    )
    assert set(excused) <= missing, (
        f"{package.path} has {sorted(set(excused) - missing)} by now: take them out of WITHOUT"
    )


def test_licence_is_the_repositorys(package: Package, root: Path) -> None:
    """Build back ends do not reach outside the folder, so the text is a copy."""
    ours, theirs = (
        path.read_text() for path in (root / "LICENSE", root / package.path / "LICENSE")
    )

    assert ours == theirs, f"{package.path}/LICENSE differs: cp LICENSE {package.path}/LICENSE"


def test_names_follow_the_folder(package: Package) -> None:
    assert package.name == f"flyte-agent-{package.folder}", (
        f"{package.path} is named {package.name}: rename it flyte-agent-{package.folder}"
    )


def test_agent_is_announced_to_flytekit(agent: Package) -> None:
    announced = agent.pyproject["project"].get("entry-points", {}).get("flytekit.plugins")

    assert announced == {agent.folder: f"{agent.module}.plugin"}, (
        f'{agent.path}/pyproject.toml needs [project.entry-points."flytekit.plugins"] with '
        f'{agent.folder} = "{agent.module}.plugin", found {announced}'
    )


def test_plugin_module_stays_small(agent: Package, root: Path) -> None:
    """flytekit imports it, unguarded, during ``import flytekit``."""
    plugin = root / agent.path / "src" / agent.module / "plugin.py"
    statements = [
        line
        for line in plugin.read_text().splitlines()
        if re.match(r"(from|import|register)", line)
    ]

    assert len(statements) <= 6, f"{plugin} does more than import and register: move it elsewhere"


def test_changelog_notes_are_named_for_their_kind(package: Package, root: Path) -> None:
    """towncrier passes over a file it cannot place, and the change goes unmentioned."""
    notes = [path.name for path in (root / package.path / "changelog.d").iterdir()]
    odd = [name for name in notes if name != ".gitkeep" and not FRAGMENT.fullmatch(name)]

    assert not odd, (
        f"{package.path}/changelog.d/{odd}: name them +<slug>.<kind>.md, {FRAGMENT.pattern}"
    )


def test_every_root_list_names_every_package(packages: list[Package], root: Path) -> None:
    """``uv run`` installs what the root asks for; import rules hold for the roots they are told."""
    pyproject = tomllib.loads((root / "pyproject.toml").read_text())
    asked = {re.split(r"[\[<>=]", item)[0] for item in pyproject["project"]["dependencies"]}
    tools = pyproject["tool"]

    for where, found, wanted in [
        ("[project] dependencies", asked, {p.name for p in packages}),
        ("[tool.uv.sources]", set(tools["uv"]["sources"]), {p.name for p in packages}),
        (
            "[tool.importlinter] root_packages",
            set(tools["importlinter"]["root_packages"]),
            {p.module for p in packages},
        ),
    ]:
        assert found == wanted, (
            f"pyproject.toml {where}: add {sorted(wanted - found)}, remove {sorted(found - wanted)}"
        )


@pytest.mark.parametrize("contract", ["Agents do not know each other", "The server and the kit"])
def test_import_rules_name_every_agent(contract: str, packages: list[Package], root: Path) -> None:
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]
    (found,) = (c for c in contracts["contracts"] if c["name"].startswith(contract))
    agents = {package.module for package in packages if package.is_agent}

    named = set(found["modules"] if found["type"] == "independence" else found["forbidden_modules"])

    assert agents <= named, f"add {sorted(agents - named)} to the contract {found['name']!r}"


def test_vendor_sdk_is_kept_to_the_client(agent: Package, root: Path) -> None:
    """ruff (TID251) refuses it elsewhere, once it is told."""
    ruff = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    banned = ruff["flake8-tidy-imports"]["banned-api"]

    for module in agent.about["vendor-modules"]:
        assert module in banned, f"pyproject.toml: add {module!r} to ruff's banned-api"
