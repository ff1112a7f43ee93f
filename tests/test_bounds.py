"""
Versions and bounds agree with the tree.

uv ignores the bounds between workspace members, so that a mistake shows first on a user's machine.
"""

from __future__ import annotations

import re
from pathlib import Path

import tomllib
from packaging.requirements import Requirement
from packaging.version import Version

from packages import Package, needs, requirement_name
from pins import without_hashes


def own_bounds(package: Package, packages: list[Package]) -> list[Requirement]:
    """The requirements on other packages of the tree that users will be held to."""
    ours = {other.name for other in packages} - {package.name}
    declared = map(Requirement, package.requirements(development=False))
    return [requirement for requirement in declared if requirement.name in ours]


def test_the_tree_satisfies_every_bound(package: Package, packages: list[Package]) -> None:
    versions = {other.name: other.version for other in packages}

    for bound in own_bounds(package, packages):
        assert bound.specifier.contains(versions[bound.name], prereleases=True), (
            f"{package.name} wants {bound} but the tree has {versions[bound.name]}: widen the bound "
            f"in {package.path}/pyproject.toml, and release {package.name} together with it"
        )


def test_bounds_on_our_packages_have_both_ends(package: Package, packages: list[Package]) -> None:
    """While versions begin with 0 the next minor one may break."""
    for bound in own_bounds(package, packages):
        operators = {one.operator for one in bound.specifier}
        assert operators == {">=", "<"}, (
            f"{package.name} wants {bound}: write {bound.name}>=0.N,<0.M in its pyproject.toml"
        )


def test_every_dependency_has_a_floor(package: Package) -> None:
    """The session ``lowest`` runs with the floors, so each is known to be true."""
    for requirement in map(Requirement, package.requirements(development=False)):
        floors = [one for one in requirement.specifier if one.operator in (">=", "==", "~=")]
        assert floors, f"{package.path}/pyproject.toml: give {requirement} a lower bound"


def test_every_third_party_dependency_says_what_it_is_for(package: Package, root: Path) -> None:
    lines = (root / package.path / "pyproject.toml").read_text().splitlines()
    start = lines.index("dependencies = [")
    for number, line in enumerate(lines[start + 1 :], start + 1):
        if line.strip() == "]":
            break
        stated = line.strip().startswith("#") or lines[number - 1].strip().startswith("#")
        ours = line.strip().startswith('"flyte-agent-')
        assert stated or ours or "pyproject" in line, (
            f"{package.path}/pyproject.toml:{number + 1} {line.strip()} says not why: "
            "put one line of reason above it"
        )


def test_versions_are_of_the_kind_releases_have(package: Package) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", package.version), (
        f"{package.path} has version {package.version}: use major.minor.patch; "
        "`nox -s release` sets it"
    )
    assert Version(package.version) > Version("0")


def test_packages_support_the_same_pythons(packages: list[Package]) -> None:
    """One service runs all agents, so a Python that one lacks is lost to all."""
    kinds = {p.folder: p.pyproject["project"]["requires-python"] for p in packages}
    classifiers = {
        p.folder: tuple(c for c in p.pyproject["project"]["classifiers"] if "Python :: 3" in c)
        for p in packages
    }

    assert len(set(kinds.values())) == 1, f"requires-python differs, make them equal: {kinds}"
    assert len(set(classifiers.values())) == 1, f"make the classifiers equal: {classifiers}"


def test_pins_of_uv_run_are_those_of_nox(root: Path) -> None:
    """``uv run`` reads a group of pyproject.toml, nox reads constraints.txt."""
    groups = tomllib.loads((root / "pyproject.toml").read_text())["dependency-groups"]

    assert groups["pins"] == without_hashes((root / "constraints.txt").read_text()), (
        "constraints.txt and the group `pins` differ: run `nox -s pins`, edit neither by hand"
    )


def test_pins_carry_no_address(root: Path) -> None:
    text = (root / "constraints.txt").read_text()

    assert not re.search(r"https?:|file:|index-url| @ |--find-links", text), (
        "constraints.txt names an index or a path of one machine: run `nox -s pins`"
    )


def test_everything_declared_is_pinned(
    package: Package, packages: list[Package], root: Path
) -> None:
    pinned = set(map(requirement_name, without_hashes((root / "constraints.txt").read_text())))
    unpinned = needs(package) - pinned - {other.name for other in packages}

    assert not unpinned, f"{sorted(unpinned)} of {package.name} have no pin: run `nox -s pins`"
