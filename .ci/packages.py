"""The packages of this repository and who depends on whom, read from their ``pyproject.toml``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomllib

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Package:
    """One folder with a ``pyproject.toml`` two levels below the root."""

    path: str
    """The folder from the root, with slashes: ``agents/bigquery``."""

    pyproject: dict[str, Any] = field(repr=False, hash=False, compare=False)

    @property
    def folder(self) -> str:
        """The last part of the path, which is also the tag of its nox sessions."""
        return self.path.rpartition("/")[2]

    @property
    def name(self) -> str:
        """The distribution's name, as on PyPI."""
        return str(self.pyproject["project"]["name"])

    @property
    def module(self) -> str:
        """What ``import`` calls it."""
        return self.name.replace("-", "_")

    @property
    def version(self) -> str:
        """The version in the tree, which may not be released yet."""
        return str(self.pyproject["project"]["version"])

    @property
    def is_agent(self) -> bool:
        """Whether it is an agent, not one of the shared packages."""
        return self.path.startswith("agents/")

    @property
    def about(self) -> dict[str, Any]:
        """What an agent's ``[tool.flyte-agent]`` tells the tests."""
        return dict(self.pyproject["tool"]["flyte-agent"])

    def requirements(self, *, development: bool = True) -> list[str]:
        """Every requirement it declares, extras included; its dependency groups too if asked."""
        project = self.pyproject["project"]
        lists = [
            project.get("dependencies", []),
            *project.get("optional-dependencies", {}).values(),
        ]
        if development:
            lists += self.pyproject.get("dependency-groups", {}).values()
        return [item for one in lists for item in one if isinstance(item, str)]


def discover(root: Path = ROOT) -> list[Package]:
    """All packages of the tree, by path."""
    files = sorted(root.glob("[!.]*/[!.]*/pyproject.toml"))
    return [
        Package(file.parent.relative_to(root).as_posix(), tomllib.loads(file.read_text()))
        for file in files
    ]


def requirement_name(requirement: str) -> str:
    """``flyte-agent-core`` of ``Flyte_Agent.Core[x]>=0.1; python_version < "3.12"``."""
    found = re.match(r"\s*[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0].strip()).lower() if found else ""


def needs(package: Package, *, development: bool = True) -> set[str]:
    """The distribution names a package asks for directly, without itself."""
    asked = map(requirement_name, package.requirements(development=development))
    return set(asked) - {package.name}


def with_dependents(names: Iterable[str], packages: list[Package]) -> set[str]:
    """These distributions and all that depend on them, through however many others."""
    found = set(names)
    while more := {p.name for p in packages if p.name not in found and needs(p) & found}:
        found |= more
    return found


def in_release_order(packages: list[Package]) -> list[Package]:
    """What others run on comes first, so that an index never lacks a dependency."""
    done: list[Package] = []
    left = list(packages)
    while left:
        waiting = {p.name for p in left}
        ready = [p for p in left if not needs(p, development=False) & waiting]
        if not ready:
            circle = ", ".join(sorted(waiting))
            raise SystemExit(f"{circle} need each other: one of them must drop a dependency")
        done += ready
        left = [p for p in left if p not in ready]
    return done
