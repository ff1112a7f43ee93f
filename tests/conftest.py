"""Fixtures of the root tests: the packages of the tree, and the wheels built from them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from packages import ROOT, Package, discover

PACKAGES = discover()
AGENTS = [package for package in PACKAGES if package.is_agent]


def by_folder(package: Package) -> str:
    """The id of a package in parametrised tests."""
    return package.folder


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--wheels FILE``: constraints that name the wheels the session ``wheels`` built."""
    parser.addoption(
        "--wheels", help="file that names the built wheels; `nox -s together` gives it"
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument ``package`` or ``agent`` runs once for each of them."""
    for argument, values in {"package": PACKAGES, "agent": AGENTS}.items():
        if argument in metafunc.fixturenames:
            metafunc.parametrize(argument, values, ids=by_folder)


@pytest.fixture(scope="session")
def packages() -> list[Package]:
    """Every package of the tree."""
    return PACKAGES


@pytest.fixture(scope="session")
def root() -> Path:
    """The root of the tree."""
    return ROOT


@pytest.fixture(scope="session")
def environment(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Make a fresh environment that holds the wheels of these packages and what they declare."""
    wheels = pytestconfig.getoption("--wheels")
    if not wheels:
        pytest.skip("needs the built wheels: run `nox -s together`")
    # `uvx nox` says where its uv is, which need not be on the PATH.
    uv = os.environ.get("UV") or shutil.which("uv") or "uv"

    def make(*packages: Package) -> Path:
        folder = tmp_path_factory.mktemp("environment")
        names = [package.name for package in packages]
        pins = ["--constraint", wheels, "--constraint", str(ROOT / "constraints.txt")]
        target = ["--quiet", "--python", str(folder), "--no-sources", *pins]
        for command in (["venv", "--quiet", "--clear", str(folder)], ["pip", "install", *target]):
            what = names if command[0] == "pip" else []
            subprocess.run([uv, *command, *what], check=True, cwd=ROOT)
        return folder

    return make
