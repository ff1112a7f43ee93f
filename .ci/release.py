"""
Changelogs and releases, package by package; the nox sessions of the same names call this.

* ``fragments``: a change that users see has a note in ``changelog.d``; print the next entries.
* ``unreleased``: the packages with commits since their last tag.
* ``release FOLDER major|minor|patch|current``: set the version, write the changelog, commit.
* ``unpublished``: JSON of the packages whose released version has no tag yet, dependencies first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import tomllib

from packages import ROOT, Package, discover, in_release_order


def git(*args: str, check: bool = True) -> str:
    """The output of one git command; empty if it fails and ``check`` is off."""
    done = subprocess.run(["git", *args], cwd=ROOT, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise SystemExit(f"git {' '.join(args)} failed: {done.stderr.strip()}")
    return "" if done.returncode else done.stdout.strip()


def towncrier(package: Package, *args: str) -> None:
    """Build a package's next changelog entry."""
    where = ["--config", "towncrier.toml", "--dir", package.path]
    what = ["--name", package.name, "--version", package.version]
    command = [sys.executable, "-m", "towncrier", "build", *where, *what, *args]
    subprocess.run(command, cwd=ROOT, check=True)


def lacks_note(package: Package, changed: Iterable[str], *, new_dependencies: bool) -> bool:
    """Whether the changed files show users something new and say nothing about it."""
    inside = [file for file in changed if file.startswith(f"{package.path}/")]
    visible = any(file.startswith(f"{package.path}/src/") for file in inside)
    noted = any(file.startswith(f"{package.path}/changelog.d/+") for file in inside)
    return (visible or new_dependencies) and not noted


def dependencies_at(commit: str, package: Package) -> object:
    """The dependencies a package declared in an older commit; ``None`` if it was not there."""
    text = git("show", f"{commit}:{package.path}/pyproject.toml", check=False)
    return tomllib.loads(text)["project"].get("dependencies") if text else None


def fragments() -> None:
    """Fail for packages whose change has no note, then print what the notes will become."""
    target = os.environ.get("BASE_REF", "origin/main")
    base = git("merge-base", "HEAD", target, check=False)
    if base:
        changed = git("diff", "--name-only", base).splitlines()
        changed += git("ls-files", "--others", "--exclude-standard").splitlines()
        for package in discover():
            now = package.pyproject["project"].get("dependencies")
            moved = now != dependencies_at(base, package)
            if lacks_note(package, changed, new_dependencies=moved):
                raise SystemExit(
                    f"{package.path} changed since {target} without a note for its users: add "
                    f"{package.path}/changelog.d/+<slug>.<added|changed|fixed|...>.md"
                )
    else:
        print(f"{target} is not known here, so there is no change to look at; drafts only.")
    for package in discover():
        towncrier(package, "--draft")


def unreleased() -> None:
    """Print the packages with commits since their last tag."""
    for package in discover():
        pattern = f"{package.name}-v*"
        tag = git("describe", "--tags", "--abbrev=0", "--match", pattern, check=False)
        span = [f"{tag}..HEAD"] if tag else ["HEAD"]
        commits = git("log", "--oneline", *span, "--", package.path, check=False).splitlines()
        if commits:
            print(f"{package.name}: {len(commits)} commits since {tag or 'the beginning'}")


def release(folder: str, part: str) -> None:
    """Set the version, turn the notes into the changelog, and commit both."""
    if git("status", "--porcelain"):
        raise SystemExit("the tree has uncommitted changes: commit them or put them away first")
    (package,) = (p for p in discover() if p.folder == folder)
    if part != "current":
        bump = ["uv", "version", "--package", package.name, "--bump", part, "--frozen"]
        subprocess.run(bump, cwd=ROOT, check=True)
        (package,) = (p for p in discover() if p.folder == folder)
    towncrier(package, "--yes")
    git("add", "--all", package.path)
    git("commit", "--message", f"Release {package.name} {package.version}")
    print(f"committed {package.name} {package.version}: open a pull request")


def is_due(package: Package, tags: Iterable[str], changelog: str) -> bool:
    """A version is released by its changelog entry, and published once it has a tag."""
    written = f"\n## {package.version} " in changelog
    return written and f"{package.name}-v{package.version}" not in tags


def unpublished() -> None:
    """Print what the release workflow has to publish, in order."""
    tags = git("tag", "--list").splitlines()
    due = [
        package
        for package in in_release_order(discover())
        if is_due(package, tags, Path(ROOT, package.path, "CHANGELOG.md").read_text())
    ]
    print(json.dumps([{"name": p.name, "module": p.module, "version": p.version} for p in due]))


if __name__ == "__main__":
    commands = {"fragments": fragments, "unreleased": unreleased, "unpublished": unpublished}
    match sys.argv[1:]:
        case ["release", folder, part]:
            release(folder, part)
        case [name] if name in commands:
            commands[name]()
        case _:
            raise SystemExit(__doc__)
