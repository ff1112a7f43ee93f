"""
Habits of this repository that no linter knows; each message says what to do instead.

Imports that are not allowed are the linters' business (ruff's banned-api and import-linter, both
set up in ``pyproject.toml``); so are docstrings.
"""

from __future__ import annotations

import ast
import io
import re
import socket
import statistics
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from packages import ROOT, Package

LONGEST_LINES, MEDIAN_LINES = 50, 10

# What runs code out of data, and what to do instead.
UNSAFE_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle"}
UNSAFE_CALLS = {("", "eval"), ("", "exec")}
PATCHES = {("monkeypatch", "setattr"), ("mocker", "patch"), ("mock", "patch"), ("", "patch")}
SLEEPERS = {"time", "asyncio", "anyio"}
# The kit's own tests run in its virtual time, where a month takes no time.
IN_VIRTUAL_TIME = "shared/testing/tests/"
SHORTEST_REASON_WORDS = 2

# A path that exists on one machine only; addresses of package indexes are the same mistake.
OF_ONE_MACHINE = re.compile(
    r"(?<![\w.])/(home|Users|root|work)/\w|[A-Z]:\\\\?Users|index-url[= ]+http"
)
PRIVATE_FOLDERS = {".git", ".nox", ".venv", "_build", "dist", "build", "__pycache__"}
TEXT = {".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".sql", ".cfg", ".sh", ""}


def sources(folder: Path, *patterns: str) -> list[Path]:
    """Python files below a folder, hidden and generated ones left out."""
    found = (file for pattern in patterns for file in folder.glob(pattern))
    return sorted(f for f in found if not PRIVATE_FOLDERS & set(f.relative_to(folder).parts))


def listed(repair: str, faults: list[str]) -> str:
    """A message with the repair first, then where it is needed."""
    return "\n  ".join([repair, *faults])


def shown(file: Path) -> str:
    """A file's path from the root."""
    return file.relative_to(ROOT).as_posix()


EVERYTHING = sources(ROOT, "*.py", "[!.]*/**/*.py", ".ci/*.py")
SHIPPED = [file for file in EVERYTHING if "src" in file.relative_to(ROOT).parts]
TESTS = [file for file in EVERYTHING if "tests" in file.relative_to(ROOT).parts]


def nodes(file: Path) -> Iterator[ast.AST]:
    """Every node of the file's syntax tree."""
    return ast.walk(ast.parse(file.read_text(), shown(file)))


def functions(file: Path) -> dict[str, int]:
    """The length in lines of every function in a file, docstrings not counted."""
    found = {}
    for node in nodes(file):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            has_text = ast.get_docstring(node, clean=False) is not None
            text = node.body[0].end_lineno - node.body[0].lineno + 1 if has_text else 0
            found[f"{shown(file)}:{node.lineno} {node.name}"] = (
                node.end_lineno - node.lineno + 1 - text
            )
    return found


def called(node: ast.AST) -> tuple[str, str]:
    """``("time", "sleep")`` of the call ``time.sleep(1)``; empty strings for anything else."""
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr=name)):
            return owner, name
        case ast.Call(func=ast.Name(id=name)):
            return "", name
    return "", ""


def comments(file: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, comment, and the line before, of every comment in a file."""
    text = file.read_text()
    lines = ["", *text.splitlines()]
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string, lines[token.start[0] - 1].strip()


def test_functions_fit_on_a_screen() -> None:
    lengths = {name: lines for file in EVERYTHING for name, lines in functions(file).items()}
    long = [f"{name}: {lines} lines" for name, lines in lengths.items() if lines > LONGEST_LINES]

    assert not long, listed(f"at most {LONGEST_LINES} lines, split by what each part is for", long)


def test_most_functions_are_one_thought(package: Package) -> None:
    lengths = [
        lines
        for file in sources(ROOT / package.path, "src/**/*.py")
        for lines in functions(file).values()
    ]

    assert statistics.median(lengths or [0]) <= MEDIAN_LINES, (
        f"half of the functions of {package.path} are longer than {MEDIAN_LINES} lines: "
        "move tables into data and steps into named functions"
    )


def imported(node: ast.AST) -> set[str]:
    """The top names of the modules that an import statement names."""
    match node:
        case ast.Import(names=names):
            return {alias.name.partition(".")[0] for alias in names}
        case ast.ImportFrom(module=str(module), level=0):
            return {module.partition(".")[0]}
    return set()


def test_nothing_runs_code_out_of_data() -> None:
    unsafe = [
        f"{shown(file)}:{getattr(node, 'lineno', 0)}"
        for file in EVERYTHING
        for node in nodes(file)
        # A test may run the example of a README.
        if imported(node) & UNSAFE_MODULES or (called(node) in UNSAFE_CALLS and file not in TESTS)
    ]

    assert not unsafe, listed(
        "no pickle and its kin, no eval, no exec: use JSON, call functions", unsafe
    )


def test_tests_replace_the_wire() -> None:
    patched = [
        f"{shown(file)}:{node.lineno}"
        for file in TESTS
        for node in nodes(file)
        if isinstance(node, ast.Call) and called(node) in PATCHES
    ]

    assert not patched, listed(
        "script a fault of the stand-in, or serve it with FakeServer", patched
    )


def waits(node: ast.AST) -> bool:
    """Whether a call sleeps; ``asyncio.sleep(0)`` lets others run and waits for nothing."""
    owner, name = called(node)
    return owner in SLEEPERS and name == "sleep" and not ast.unparse(node).endswith("sleep(0)")


def test_tests_do_not_sleep() -> None:
    sleeping = [
        f"{shown(file)}:{getattr(node, 'lineno', 0)}"
        for file in TESTS
        if not shown(file).startswith(IN_VIRTUAL_TIME)
        for node in nodes(file)
        if waits(node)
    ]

    assert not sleeping, listed(
        "give the agent a FakeClock and move it, or wait for an event", sleeping
    )


def unexplained(file: Path) -> Iterator[str]:
    """Exceptions to a rule without a reason; one given earlier in the file holds for the same."""
    marker = re.compile(r"# ?(noqa(: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)?|type: ?ignore(\[[\w, -]+\])?)")
    explained = set()
    for line, comment, before in comments(file):
        if found := marker.match(comment):
            reason = marker.sub("", comment).strip(" #-:").split()
            if len(reason) >= SHORTEST_REASON_WORDS or before.startswith("#"):
                explained.add(found[0])
            elif found[0] not in explained:
                yield f"{shown(file)}:{line} {comment}"


def test_every_exception_to_a_rule_has_its_reason() -> None:
    """The reason stands in the same comment, after the code, or in a comment on the line above."""
    bare = [fault for file in EVERYTHING for fault in unexplained(file)]

    assert not bare, listed("write why the rule is wrong here, after its code", bare)


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """Paths, package indexes: what works here and nowhere else."""
    files = [f for f in sources(ROOT, "*", "[!.]*/**/*", ".ci/*", ".github/**/*") if f.is_file()]

    found = [
        f"{shown(file)}:{number}: {line.strip()[:80]}"
        for file in files
        if file.suffix in TEXT and file.name != "uv.lock"
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if OF_ONE_MACHINE.search(line)
    ]

    assert not found, listed("use a path from the root, tmp_path, or an option", found)


def test_guide_for_contributors_stays_short() -> None:
    length = len((ROOT / "CONTRIBUTING.md").read_text().splitlines())

    assert length <= 150, f"CONTRIBUTING.md has {length} lines: move details into docs/how-to"


def test_tests_cannot_reach_other_machines() -> None:
    """192.0.2.0/24 belongs to nobody (RFC 5737)."""
    with pytest.raises(RuntimeError, match="stand-in"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(RuntimeError, match="stand-in"):
        socket.getaddrinfo("example.org", 80)


def test_tests_can_reach_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=1).close()
