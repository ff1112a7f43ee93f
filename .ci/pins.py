"""
Resolve the newest versions of everything and write them down: ``nox -s pins``.

They stand twice, and a test compares the two. ``constraints.txt``, with hashes, is what nox installs
with. The dependency group ``pins`` of the root ``pyproject.toml`` is never installed; it is there
because ``uv run`` and ``uv sync`` resolve all groups at once, and so find the same versions without
a lock file, which would record the address of whatever index it was made with.
"""

from __future__ import annotations

import re
import subprocess
import sys

import tomllib

from packages import ROOT, discover

HEADER = """\
# The newest versions everything here was tested with; written by `nox -s pins`.
"""
# Between these lines of pyproject.toml.
START, END = "# Written by `nox -s pins`.\npins = [\n", "]\n"


def groups() -> list[str]:
    """``path:name`` of every dependency group of the tree but ``pins``."""
    files = ["pyproject.toml", *(f"{package.path}/pyproject.toml" for package in discover())]
    return [
        f"{file}:{group}"
        for file in files
        for group in tomllib.loads((ROOT / file).read_text()).get("dependency-groups", {})
        if group != "pins"
    ]


def resolve(python: str) -> str:
    """``constraints.txt`` for this Python and newer ones, without paths and index addresses."""
    command = ["uv", "pip", "compile", "--universal", "--python-version", python, "--upgrade"]
    command += ["--quiet", "--no-annotate", "--no-header", "--generate-hashes", "--all-extras"]
    for package in discover():
        command += ["--no-emit-package", package.name, f"{package.path}/pyproject.toml"]
    for group in groups():
        command += ["--group", group]
    done = subprocess.run(
        [*command, "pyproject.toml"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    return HEADER + done.stdout


def without_hashes(constraints: str) -> list[str]:
    """``name==version ; marker`` of every pin."""
    lines = constraints.splitlines()
    return [re.sub(r"\s*\\$", "", line) for line in lines if re.match(r"\w", line)]


def with_pins(pyproject: str, pins: list[str]) -> str:
    """The text of ``pyproject.toml`` with these pins in its group ``pins``."""
    before, start, rest = pyproject.partition(START)
    if not start:
        raise SystemExit(f"pyproject.toml lacks the line {START.splitlines()[0]!r}: put it back")
    after = rest.partition(f"\n{END}")[2] if not rest.startswith(END) else rest.removeprefix(END)
    quoted = "".join(f'    "{pin}",\n' for pin in pins)
    return before + START + quoted + END + after


def main() -> None:
    """Write both files."""
    constraints = resolve(sys.argv[1])
    (ROOT / "constraints.txt").write_text(constraints)
    file = ROOT / "pyproject.toml"
    file.write_text(with_pins(file.read_text(), without_hashes(constraints)))


if __name__ == "__main__":
    main()
