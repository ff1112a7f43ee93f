"""
What happens to everybody who runs ``import flytekit`` once an agent is installed.

flytekit imports every plugin then, with nothing around it: one that raises makes flytekit
unimportable, one that loads its vendor's SDK makes every ``pyflyte`` command slower.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib

from packages import ROOT, Package, requirement_name

GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
LARGE = {requirement_name(each) for each in GROUPS["stock-connectors"]}
ORDERS = {
    "flytekit first": "import flytekit",
    "stock plugin first": "import {stock}; import {ours}",
    "ours first": "import {ours}; import {stock}",
}
REPORT = """
import json, sys
{imports}
from flyte_agent_core.registration import REPORT
print(json.dumps({{
    "modules": sorted(sys.modules),
    "report": [[entry.agent, entry.task_type, entry.state, entry.detail] for entry in REPORT],
}}))
"""


def run(imports: str, cwd: Path) -> dict[str, list]:
    """Loaded modules and registered agents of a new interpreter after these imports."""
    script = REPORT.format(imports=imports)
    # Warnings do not fail here: those of other people's plugins are theirs.
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (
        f"{imports!r} fails; nothing that flytekit imports may raise.\n{done.stderr[-2000:]}"
    )
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The modules that ``import flytekit`` has loaded."""
    return set(run("import flytekit", tmp_path_factory.mktemp("loaded"))["modules"])


def test_importing_flytekit_loads_no_vendor_sdk(agent: Package, loaded: set[str]) -> None:
    assert f"{agent.module}.plugin" in loaded, f"flytekit did not find the plugin of {agent.name}"
    assert not set(agent.about["vendor-modules"]) & loaded, (
        f"{agent.name} loads its vendor's SDK during `import flytekit`: import it in client.py, "
        "and client.py on first use"
    )


def test_importing_flytekit_loads_neither_service_nor_kit(loaded: set[str]) -> None:
    assert not {"flyte_agent_testing", "flyte_agent_server", "pytest"} & loaded


def must_register(module: str, cwd: Path) -> None:
    """Ours import flytekit, which imports the plugins, which import core: a circle to get right."""
    report = run(f"import {module}", cwd)["report"]

    assert report, "no agent registered itself"
    assert not [entry for entry in report if entry[2] == "failed"], report


@pytest.mark.parametrize(
    "module",
    [
        "flytekit",
        "flyte_agent_core",
        "flyte_agent_core.meta",
        "flyte_agent_testing",
        "flyte_agent_server.cli",
    ],
)
def test_any_of_what_is_shared_may_be_imported_first(module: str, tmp_path: Path) -> None:
    must_register(module, tmp_path)


def test_any_agent_may_be_imported_first(agent: Package, tmp_path: Path) -> None:
    must_register(agent.module, tmp_path)


def stock_plugin(agent: Package) -> str:
    """The module of flytekit's plugin for the same platform; skips the test where there is none."""
    stock = agent.about["stock-plugin"]
    if not stock:
        pytest.skip("flytekit has no plugin of its own for this platform")
    if requirement_name(stock) in LARGE and not importlib.util.find_spec(stock):
        pytest.skip(f"{stock} brings hundreds of MB: `nox -s stock` installs it and runs this test")
    return stock


@pytest.mark.stock
@pytest.mark.parametrize("order", ORDERS)
def test_lives_beside_the_stock_plugin(order: str, agent: Package, tmp_path: Path) -> None:
    """Both want the same task type and flytekit raises for the second: ours steps back."""
    stock = stock_plugin(agent)
    imports = ORDERS[order].format(stock=stock, ours=f"{agent.module}.plugin")
    report = run(imports, tmp_path)["report"]

    assert not [entry for entry in report if entry[2] == "failed"], report
    assert [entry for entry in report if entry[2] == "left to" and stock in entry[3]], (
        f"{agent.name} does not say that {stock} keeps its task types: {report}"
    )
    assert [entry for entry in report if entry[2] == "served"], (
        "our own type is served all the same"
    )
