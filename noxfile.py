"""
Every check of this repository: ``nox`` runs them all, ``nox --list`` names them.

Packages are found, not listed: a folder with a ``pyproject.toml`` two levels down is one. Each is
tested as the wheel a user would install, in an environment that holds only what it declares.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
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
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]
MEASURED = PYTHONS[1]  # what the tests cover hardly depends on the Python, and measuring is slow
NOT_ONCE = ("-m", "not once")
SHARE_NOTHING = "--dist=worksteal"  # of tests that start processes of their own
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
    report = f"--junitxml={results}/{len([*results.glob('*.xml')])}.xml"
    args = (report, "--numprocesses=3", "--dist=loadfile", *args, *session.posargs)
    if not cover:
        session.run("pytest", *args)
        return
    results.mkdir(parents=True, exist_ok=True)
    # Not in nox's folder for temporary files: tests would then have theirs inside this tree.
    module, env = name_of(cover).replace("-", "_"), {"COVERAGE_FILE": f"{results}/coverage"}
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


def at_pins(session: nox.Session, package: str) -> None:
    """Test one package at the pinned versions of everything."""
    session.install(*wheels_and(name_of(package), *group("test", package), *group("runner")))
    if session.python == MEASURED:
        pytest(session, f"{package}/tests", cover=package)
    else:
        pytest(session, *NOT_ONCE, f"{package}/tests")


@nox.session(requires=["wheels"])
@per_package(pythons=PYTHONS[1:])
def tests(session: nox.Session, package: str) -> None:
    """Test one package as a wheel, beside nothing but what it declares, at the pinned versions."""
    at_pins(session, package)


@nox.session(requires=["wheels"], default=False)
@per_package(pythons=[OLDEST])
def tests_oldest(session: nox.Session, package: str) -> None:
    """The same on the oldest Python: in the package's own CI row, not in everybody's ``nox``."""
    at_pins(session, package)


def at_lowest(session: nox.Session, package: str) -> None:
    """Test one package at the lowest version of everything it declares."""
    declared = ["-r", f"{package}/pyproject.toml", "--all-extras", *group("test", package)]
    session.install(*wheels_and(name_of(package), *declared, *group("runner"), pinned=False))
    pytest(session, *NOT_ONCE, f"{package}/tests")


@nox.session(requires=["wheels"])
@per_package(pythons=[OLDEST])
def lowest(session: nox.Session, package: str) -> None:
    """Test one package at the lowest version of everything, on the oldest Python."""
    at_lowest(session, package)


@nox.session(requires=["wheels"], default=False)
@per_package(pythons=PYTHONS[1:])
def lowest_newer(session: nox.Session, package: str) -> None:
    """The same on the newer Pythons: in the package's own CI row, not in everybody's ``nox``."""
    at_lowest(session, package)


@nox.session(requires=["wheels"])
@per_package(pythons=[OLDEST], named=False)
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
    pytest(
        session, "tests", f"--wheels={WORK}/dist.txt", "-m", "stock and not bench", SHARE_NOTHING
    )


@nox.session(python=NEWEST, tags=[SELF], requires=["wheels"], default=False)
def bench_runs(session: nox.Session) -> None:
    """Try whether every part of the benchmark runs: in the repository's CI row."""
    everything = ["-r", "pyproject.toml", *group("together"), *group("runner"), *group("stock")]
    session.install(*wheels_and(*everything))
    pytest(session, "tests", "-m", "bench", SHARE_NOTHING)


@nox.session(python=NEWEST, tags=[SELF], requires=["wheels"])
def template(session: nox.Session) -> None:
    """Make an agent of each kind with ``flyte-agent new``, alone and in a copy of this tree."""
    tools = [arg for name in ("lint", "runner", "together", "typing") for arg in group(name)]
    session.install(*wheels_and("flyte-agent-server[new]", *tools))
    with tempfile.TemporaryDirectory() as made:  # not below this tree: a new agent would join it
        session.run("python", ".ci/new_agents.py", made)
        alone = sorted(Path(made, "alone").iterdir())
        session.run("ruff", "check", "--no-cache", *map(str, alone))
        session.run("ruff", "format", "--no-cache", "--check", *map(str, alone))
        build = ["uv", "build", "--quiet", "--build-constraints", PINS, "--out-dir", f"{made}/dist"]
        for folder in alone:
            session.run(*build, str(folder))
        built = [str(wheel) for wheel in Path(made, "dist").glob("*.whl")]
        session.install(*wheels_and(*built, "flyte-agent-testing[pytest]"))
        rules = str(alone[0] / "pyproject.toml")
        session.run("mypy", "--config-file", rules, *(str(folder / "src") for folder in alone))
        here = [f"--config-file={rules}", f"--rootdir={made}/alone"]
        pytest(session, *here, *(str(folder / "tests") for folder in alone))
        with session.chdir(f"{made}/tree"):
            session.run("ruff", "check", "--no-cache", "agents", "noxfile.py")
            session.run("ruff", "format", "--no-cache", "--check", "agents")
            sources = os.pathsep.join(map(str, Path.cwd().glob("*/*/src")))
            session.run("lint-imports", env={"PYTHONPATH": sources})
            rules_of_the_tree = [f"tests/test_{x}.py" for x in ("layout", "conventions", "bounds")]
            session.run("pytest", *rules_of_the_tree)


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
    session.run("python", ".ci/pins.py", OLDEST)


@nox.session(default=False, requires=["wheels"])
@per_package(pythons=[OLDEST], named=False, tagged=False)
def live(session: nox.Session, package: str) -> None:
    """Run one package's scenarios against the real platform; needs credentials."""
    session.install(*wheels_and(name_of(package), *group("test", package), *group("runner")))
    pytest(session, f"{package}/tests", "-m", "live")


@nox.session(python=NEWEST, default=False, requires=["wheels"])
def stories(session: nox.Session) -> None:
    """Play 10,000 random stories of each kind, five minutes for each, and the kit on 50 seeds."""
    kit = "flyte-agent-testing[property,pytest,tls]"
    session.install(*wheels_and(kit, *group("test", "shared/testing"), *group("runner")))
    play = ["python", "-m", "flyte_agent_testing.stories", "--stories=10000", "--within-s=300"]
    for stage in ("STAGE", "SYNC_STAGE"):
        example = f"flyte_agent_testing.stories.example:{stage}"
        session.run(*play, example, "--processes=2", *session.posargs)
    kept = "shared/testing/tests/conformance/test_reference.py"
    session.run("pytest", kept, "-n2", "-k", "Seed", env={"KIT_SEEDS": "50"})


@nox.session(python=NEWEST, default=False, requires=["wheels"])
def stock(session: nox.Session) -> None:
    """Run flytekit's own connectors through the kit, and write what they fail into the docs."""
    kit = "flyte-agent-testing[property,pytest,tls]"
    connectors = [*group("stock"), *group("stock-connectors"), *group("runner")]
    session.install(*wheels_and(kit, *connectors))
    report, page = "shared/testing/tests/stock/report.py", "docs/reference/conformance-stock.md"
    session.run("python", report, page, "--numprocesses=3", *session.posargs)
    session.install(*wheels_and("-r", "pyproject.toml", *group("together"), *connectors))
    session.run("pytest", "tests/test_entry_points.py", "-m", "stock", "-n3", SHARE_NOTHING)


@nox.session(python=NEWEST, default=False, requires=["wheels"])
def bench(session: nox.Session) -> None:
    """Compare our service with flytekit's, and with a raw gRPC server; ``-- --help`` says more."""
    agents = [name_of(package) for package in PROJECTS if package.startswith("agents/")]
    groups = nox.project.load_toml()["dependency-groups"]
    stock = groups["stock"]
    bare = ["flytekit", *(each for each in stock if not each.startswith("flytekitplugins"))]
    others = {
        "served": [*agents, "flyte-agent-server"],
        "author": agents,
        "stock": stock,
        "bare": bare,
        "spark": [*bare, *groups["stock-connectors"]],
    }
    pythons = [f"--ours={session.bin}/python"]
    for name, what in others.items():
        folder = f"{session.create_tmp()}/{name}"
        session.run("uv", "venv", "--quiet", "--clear", f"--python={NEWEST}", folder)
        session.run("uv", "pip", "install", "--quiet", f"--python={folder}", *wheels_and(*what))
        pythons.append(f"--{name}={folder}/bin/python")
    session.install(*wheels_and("-r", "pyproject.toml", *group("test", "shared/server")))
    session.run("python", "benchmarks/run.py", *pythons, *session.posargs)
