"""
Every check of this repository: ``nox`` runs them all, ``nox --list`` names them.

Packages are found, not listed: a folder with a ``pyproject.toml`` two levels down is one. Each is
tested as the wheel a user would install, in an environment that holds only what it declares.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import nox

ROOT = Path(__file__).parent
WORK = ROOT / ".nox"
# A release tests the wheels it is about to publish, not others built from the same sources.
WHEELS = Path(os.environ.get("FLYTE_AGENT_WHEELS") or WORK / "dist").absolute()
PINS = "constraints.txt"
PROJECTS: dict[str, dict[str, Any]] = {
    str(path.parent.relative_to(ROOT)): nox.project.load_toml(path)
    for path in sorted(ROOT.glob("[!.]*/[!.]*/pyproject.toml"))
}
FLOORS = nox.project.load_toml()["tool"]["flyte-agents"]["coverage-floor"]
PYTHONS = nox.project.python_versions(next(iter(PROJECTS.values())))
LOWEST, NEWEST = PYTHONS[0], PYTHONS[-1]
SELF = "repository"  # the tag of the sessions that are about no package, or about all of them

nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = True  # a Python that was not tested is not "passed"
nox.options.report = str(WORK / "report.json")  # .ci/summary.py counts what ran

if pyenv := shutil.which("pyenv"):
    # Its shims refuse to run a version that is not switched on, and hide it from nox and uv.
    on, installed = (
        subprocess.run([pyenv, *query], capture_output=True, text=True, check=False).stdout.split()
        for query in (["version-name"], ["versions", "--bare"])
    )
    os.environ["PYENV_VERSION"] = ":".join(dict.fromkeys([*":".join(on).split(":"), *installed]))


def per_package(*, pythons: list[str] = PYTHONS, named: bool = True, tagged: bool = True) -> Any:
    """Parametrise a session by package, and by those of ``pythons`` that package supports."""
    params = []
    for path, project in PROJECTS.items():
        name = Path(path).name
        for python in [p for p in pythons if p in nox.project.python_versions(project)]:
            label = f"{name}-{python}" if named else name
            params.append(nox.param(python, path, id=label, tags=[name] if tagged else []))
    return nox.parametrize("python,package", params)


def name_of(package: str) -> str:
    """The name of the distribution that a package folder makes."""
    return str(PROJECTS[package]["project"]["name"])


def wheels_and(*what: str, pinned: bool = True) -> list[str]:
    """Arguments that install our packages from the wheels: never from an index, never editable."""
    versions = ["--constraint", PINS] if pinned else ["--resolution", "lowest-direct"]
    return ["--no-sources", *what, "--constraint", f"{WORK}/dist.txt", *versions]


def group(name: str, path: str = ".") -> list[str]:
    """Arguments that install one dependency group of one pyproject.toml."""
    return ["--group", f"{path}/pyproject.toml:{name}"]


def pytest(session: nox.Session, *args: str, cover: str = "") -> None:
    """Run pytest, with branch coverage of the installed package ``cover`` if one is named."""
    results = WORK / "results" / session.name
    report = f"--junitxml={results}/{len([*results.glob('*')])}.xml"
    args = (report, "--numprocesses=2", "--dist=loadfile", *args, *session.posargs)
    if not cover:
        session.run("pytest", *args)
        return
    module, env = name_of(cover).replace("-", "_"), {"COVERAGE_FILE": f"{session.create_tmp()}/c"}
    session.run("coverage", "run", f"--source={module}", "-m", "pytest", *args, env=env)
    if not session.posargs:  # a part of the tests covers a part of the code
        floor = f"--fail-under={FLOORS[cover.partition('/')[0]]}"
        session.run("coverage", "combine", "--quiet", env=env)
        session.run("coverage", "report", floor, env=env, silent=True)


@nox.session(python=NEWEST, tags=[SELF])
def wheels(session: nox.Session) -> None:
    """Build every sdist and wheel once for all sessions, and check what is in them."""
    if "FLYTE_AGENT_WHEELS" not in os.environ:
        build = ["uv", "build", "--all-packages", "--no-sources", "--clear", "--quiet"]
        session.run(*build, "--build-constraints", PINS, "--out-dir", str(WHEELS))
    session.run("python", ".ci/wheels.py", str(WHEELS), f"{WORK}/dist.txt")


@nox.session(requires=["wheels"])
@per_package()
def tests(session: nox.Session, package: str) -> None:
    """Test one package as a wheel, beside nothing but what it declares, at the pinned versions."""
    session.install(*wheels_and(name_of(package), *group("test", package), *group("runner")))
    # What the tests cover hardly depends on the Python, and measuring takes a third of their time.
    pytest(session, f"{package}/tests", cover=package if session.python == LOWEST else "")


def at_lowest(session: nox.Session, package: str) -> None:
    """Test one package at the lowest version of everything it declares."""
    declared = ["-r", f"{package}/pyproject.toml", "--all-extras", *group("test", package)]
    session.install(*wheels_and(name_of(package), *declared, *group("runner"), pinned=False))
    pytest(session, f"{package}/tests")


@nox.session(requires=["wheels"])
@per_package(pythons=[LOWEST])
def lowest(session: nox.Session, package: str) -> None:
    """Test one package at the lowest version of everything, on the oldest Python."""
    at_lowest(session, package)


@nox.session(requires=["wheels"], default=False)
@per_package(pythons=PYTHONS[1:])
def lowest_newer(session: nox.Session, package: str) -> None:
    """The same on the newer Pythons: in the package's own CI row, not in everybody's ``nox``."""
    at_lowest(session, package)


@nox.session(requires=["wheels"])
@per_package(pythons=[LOWEST], named=False)
def typing(session: nox.Session, package: str) -> None:
    """Check one package with mypy in strict mode, on the oldest Python."""
    session.install(*wheels_and(name_of(package), *group("test", package), *group("typing")))
    session.run("mypy", f"{package}/src", *session.posargs)


@nox.session(python=NEWEST, tags=[SELF])
def lint(session: nox.Session) -> None:
    """Check style, import rules, spelling and workflows; ``-- --fix`` repairs what it can."""
    session.install(*group("lint"), "--constraint", PINS)
    session.run("ruff", "check", "--output-format=concise", ".", *session.posargs)
    session.run("ruff", "format", "." if session.posargs else "--check", ".")
    sources = os.pathsep.join(str(ROOT / path / "src") for path in PROJECTS)
    session.run("lint-imports", env={"PYTHONPATH": sources})
    session.run("codespell")
    session.run("zizmor", "--offline", "--quiet", ".github/workflows")


@nox.session(python=NEWEST, tags=[SELF], requires=["wheels"])
def together(session: nox.Session) -> None:
    """Run the root tests: every wheel in one environment, then beside flytekit's own plugins."""
    everything = ["-r", "pyproject.toml", *group("together"), *group("runner")]
    session.install(*wheels_and(*everything))
    pytest(session, "tests", f"--wheels={WORK}/dist.txt", "-m", "not stock")
    session.install(*wheels_and(*everything, *group("stock")))
    pytest(session, "tests", f"--wheels={WORK}/dist.txt", "-m", "stock")


@nox.session(python=NEWEST, tags=[SELF], requires=["wheels"])
def docs(session: nox.Session) -> None:
    """Build the documentation, every warning an error, and run its examples; ``-- DIR``: where."""
    session.install(*wheels_and("-r", "pyproject.toml", *group("docs")))
    strict = ["--nitpicky", "--fail-on-warning", "--keep-going", "--quiet"]
    session.run("sphinx-build", *strict, "-b", "doctest", "docs", "docs/_build/doctest")
    out = session.posargs or ["docs/_build/html"]
    session.run("sphinx-build", *strict, "-b", "html", "docs", *out)


@nox.session(python=NEWEST, tags=[SELF])
def changelog(session: nox.Session) -> None:
    """Ask for a note where users will see a change, and draft every package's next entry."""
    session.install(*group("release"), "--constraint", PINS)
    session.run("python", ".ci/release.py", "fragments", silent=True)


@nox.session(python=NEWEST, tags=[SELF])
def unreleased(session: nox.Session) -> None:
    """List the packages with commits since their last release."""
    session.run("python", ".ci/release.py", "unreleased")


@nox.session(python=NEWEST, default=False)
def release(session: nox.Session) -> None:
    """Prepare a release: ``nox -s release -- bigquery minor`` (or major, patch, current)."""
    session.install(*group("release"), "--constraint", PINS)
    session.run("python", ".ci/release.py", "release", *session.posargs)


@nox.session(python=NEWEST, default=False)
def pins(session: nox.Session) -> None:
    """Resolve the newest versions of everything anew, and write them down."""
    session.run("python", ".ci/pins.py", LOWEST)


@nox.session(default=False, requires=["wheels"])
@per_package(pythons=[LOWEST], named=False, tagged=False)
def live(session: nox.Session, package: str) -> None:
    """Run one package's scenarios against the real platform; needs credentials."""
    session.install(*wheels_and(name_of(package), *group("test", package), *group("runner")))
    pytest(session, f"{package}/tests", "-m", "live")


@nox.session(python=NEWEST, default=False, requires=["wheels"])
def bench(session: nox.Session) -> None:
    """Compare our service with flytekit's own service and plugin, on the same stand-in."""
    agents = [name_of(package) for package in PROJECTS if package.startswith("agents/")]
    others = {"author": agents, "stock": group("stock"), "bare": ["flytekit"]}
    pythons = [f"--ours={session.bin}/python"]
    for name, what in others.items():
        folder = f"{session.create_tmp()}/{name}"
        session.run("uv", "venv", "--quiet", "--clear", f"--python={NEWEST}", folder)
        session.run("uv", "pip", "install", "--quiet", f"--python={folder}", *wheels_and(*what))
        pythons.append(f"--{name}={folder}/bin/python")
    session.install(*wheels_and("-r", "pyproject.toml"))
    session.run("python", "benchmarks/run.py", *pythons, *session.posargs)
