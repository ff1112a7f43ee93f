"""
Print the rows of the CI matrix as JSON: ``nox --list --json | python .ci/plan.py [--base REF]``.

A row is a tag of nox's own list (``nox -t core``): one per package, and one for what is about the
whole repository. With ``--base`` the rows are those a change since REF can break: the packages it
touched and everything that depends on them. A change outside the packages can break them all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from packages import Package, discover, with_dependents

REPOSITORY = "repository"
# These are the business of the repository's own row; no package can fail because of them.
ONLY_REPOSITORY = ("docs/", "tests/", "README.md", "CONTRIBUTING.md", ".github/", ".readthedocs")


def rows(listing: list[dict[str, Any]]) -> list[str]:
    """Every tag in nox's list, sorted."""
    return sorted({tag for session in listing for tag in session["tags"]})


def affected(changed: Iterable[str], packages: list[Package]) -> set[str]:
    """The rows that the changed files (paths from the root) can break."""
    touched: set[str] = set()
    for file in changed:
        owners = [p.name for p in packages if file.startswith(f"{p.path}/")]
        if not owners and not file.startswith(ONLY_REPOSITORY):
            return {REPOSITORY, *(p.folder for p in packages)}
        touched.update(owners)
    broken = with_dependents(touched, packages)
    return {REPOSITORY, *(p.folder for p in packages if p.name in broken)}


def main() -> None:
    """Read nox's list from standard input and print the rows to run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="", help="the commit the change starts from; none: all")
    base = parser.parse_args().base
    chosen = rows(json.load(sys.stdin))
    if base:
        diff = ["git", "diff", "--name-only", f"{base}...HEAD"]
        changed = subprocess.run(diff, check=True, capture_output=True, text=True).stdout
        wanted = affected(changed.splitlines(), discover())
        chosen = [row for row in chosen if row in wanted]
    print(json.dumps(chosen))


if __name__ == "__main__":
    main()
