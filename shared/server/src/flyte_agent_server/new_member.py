"""This project's own repository: finding its root, and adding an agent to what names every package."""

from __future__ import annotations

import bisect
import re
from typing import TYPE_CHECKING, Any

import tomlkit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LISTS = ("modules", "source_modules", "forbidden_modules")
_SOURCE = tomlkit.parse("source = { workspace = true }")["source"]
_LINE = 100
_ROW = re.compile(r"^\| \[(flyte-agent-[\w-]+)\]", re.MULTILINE)


def root_of(folder: Path) -> Path | None:
    """Return the root of the repository that ``folder`` is in, if it is this project's."""
    for path in (folder.absolute(), *folder.absolute().parents):
        file = path / "pyproject.toml"
        if file.is_file() and (path / "noxfile.py").is_file():
            tools = tomlkit.parse(file.read_text(encoding="utf-8")).get("tool", {})
            if "flyte-agents" in tools:
                return path
    return None


def join(root: Path, answers: Mapping[str, Any]) -> tuple[str, ...]:
    """Add an agent to the root's files; return those that were changed or added."""
    name, module, vendor = answers["name"], answers["module"], answers["vendor"]
    file = root / "pyproject.toml"
    others = _modules(root) - {module}
    file.write_text(_listed(file.read_text(encoding="utf-8"), name, module, others), "utf-8")
    readme = root / "README.md"
    what = {
        "async": f"{vendor} jobs as tasks",
        "sync": f"answers of {vendor} as tasks",
        "sensor": f"waiting for {vendor}",
    }[answers["kind"]]
    readme.write_text(_shown(readme.read_text(encoding="utf-8"), name, what), "utf-8")
    return ("pyproject.toml", "README.md", f"docs/reference/{name}.md")


def _modules(root: Path) -> set[str]:
    """Return the import names of the agents that are there."""
    folders = [path.parent.name for path in root.glob("agents/*/pyproject.toml")]
    return {f"flyte_agent_{folder.replace('-', '_')}" for folder in folders}


def _listed(pyproject: str, name: str, module: str, others: set[str]) -> str:
    """Return the root's pyproject.toml with the agent wherever the others are."""
    document: Any = tomlkit.parse(pyproject)
    tools = document["tool"]
    _insert(document["project"], "dependencies", f"flyte-agent-{name}[local]")
    _insert_key(tools["uv"]["sources"], f"flyte-agent-{name}", _SOURCE)
    _insert(tools["importlinter"], "root_packages", module)
    for contract in tools["importlinter"]["contracts"]:
        for key in _LISTS:
            if others & set(contract.get(key, ())):
                _insert(contract, key, module)
    return tomlkit.dumps(document)


def _insert(table: Any, key: str, item: str) -> None:
    """Put an item where it belongs in a sorted array; one that gets too long for its line gets more."""
    array = table[key]
    at = bisect.bisect_left([str(each) for each in array], item)
    if "\n" in array.as_string():
        array.insert(at, item)
        return
    items = [str(each) for each in array]
    made = tomlkit.array()
    made.extend([*items[:at], item, *items[at:]])
    table[key] = made.multiline(len(f"{key} = {made.as_string()}") > _LINE)


def _insert_key(table: Any, key: str, value: Any) -> None:
    """Put a key where it belongs in a sorted table."""
    pairs = sorted([*table.items(), (key, value)], key=lambda pair: str(pair[0]))
    for name, _ in list(table.items()):
        del table[name]
    for name, one in pairs:
        table[name] = one


def _shown(readme: str, name: str, what: str) -> str:
    """Return the README with a row for the agent in its table of packages."""
    row = f"| [flyte-agent-{name}](agents/{name}/README.md) | workflow authors | {what} |\n"
    rows = list(_ROW.finditer(readme))
    if not rows:
        return readme
    later = [found.start() for found in rows if found[1] > f"flyte-agent-{name}"]
    at = later[0] if later else readme.index("\n", rows[-1].start()) + 1
    return readme[:at] + row + readme[at:]
