"""Agents are found as installed, loaded as asked for, and cannot take each other down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flyte_agent_server.discovery import Candidate, choose
from flyte_agent_server.errors import UnknownAgentError

OURS = Candidate("bigquery", "a.plugin", "flyte-agent-bigquery", "1", ours=True)
STOCK = Candidate("bigquery", "b", "flytekitplugins-bigquery", "1")
SENSOR = Candidate("s3-sensor", "c.plugin", "flyte-agent-s3-sensor", "1", ours=True)
BUILT_IN = Candidate("flytekit-sensor", "flytekit.sensor", "flytekit", "1", by_default=False)
FOUND = [OURS, SENSOR, STOCK, BUILT_IN]


@pytest.mark.parametrize(
    ("wanted", "unwanted", "chosen"),
    [
        ([], [], [OURS, SENSOR, STOCK]),
        (["bigquery"], [], [OURS]),
        (["flyte_agent_bigquery"], [], [OURS]),
        (["flytekitplugins-bigquery"], [], [STOCK]),
        (["s3_sensor", "BigQuery"], [], [OURS, SENSOR]),
        (["flytekit-sensor"], [], [BUILT_IN]),
        ([], ["flytekitplugins.bigquery"], [OURS, SENSOR]),
        ([], ["bigquery"], [SENSOR]),
        (["bigquery", "s3-sensor"], ["s3-sensor"], [OURS]),
    ],
)
def test_a_name_means_ours_first(
    wanted: list[str], unwanted: list[str], chosen: list[Candidate]
) -> None:
    assert choose(FOUND, wanted, unwanted) == chosen


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownAgentError, match=r"did you mean 'bigquery'\?.*pip install"):
        choose(FOUND, ["bigqery"])
    with pytest.raises(UnknownAgentError, match=r"no agent 'snow' is installed: installed are"):
        choose(FOUND, [], ["snow"])


BROKEN = "raise RuntimeError('this plugin is broken')"
LEAVES = "import sys\nsys.exit(3)"


def listed(world: Any, *args: str) -> tuple[int, list[dict[str, str]]]:
    done = world.run("list", "--json", *args)
    assert not done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.once
def test_a_broken_plugin_is_reported_and_the_others_serve(with_reference: Any) -> None:
    """In flytekit's own service either of the two would be the end."""
    with_reference.module("broken_plugin", BROKEN)
    with_reference.module("leaving_plugin", LEAVES)
    with_reference.module("empty_plugin", "")
    with_reference.add("broken", flytekit__plugins={"broken": "broken_plugin"})
    with_reference.add("leaving", flytekit__plugins={"leaving": "leaving_plugin"})
    with_reference.add("pandas-types", flytekit__plugins={"types": "empty_plugin"})
    wanted = [f"--agent={name}" for name in ("reference", "broken", "leaving", "types")]
    code, entries = listed(with_reference, *wanted)
    state = {(e["agent"], e["task_type"]): (e["state"], e["detail"]) for e in entries}
    assert code == 1
    assert state["broken", ""] == ("broken", "RuntimeError: this plugin is broken")
    assert state["leaving", ""] == ("broken", "SystemExit: 3")
    assert state["types", ""][0] == "no agents"
    assert state["flytekit-sensor", ""] == ("not loaded", "--agent flytekit-sensor")
    for task_type in ("reference_job", "reference_alias", "reference_echo"):
        assert state["reference", task_type][0] == "served"


STOCK_PLUGIN = """
from flytekit.extend.backend.base_connector import AsyncConnectorBase, ConnectorRegistry

class Stock(AsyncConnectorBase):
    name = "Stock"
    def __init__(self): super().__init__(metadata_type=dict, task_type_name="reference_alias")
    def create(self, **kwargs): ...
    def get(self, **kwargs): ...
    def delete(self, **kwargs): ...

ConnectorRegistry.register(Stock())
"""

SHY_AGENT = """
from flyte_agent_core import register
from flyte_agent_reference.agent import ReferenceAgent

class Shy(ReferenceAgent):
    name = "Shy"
    task_type = "shy_job"
    stock_module = "stock_plugin"

register(Shy)
"""


@pytest.mark.once
def test_a_stock_plugin_keeps_its_types_unless_it_is_left_out(installed: Any) -> None:
    installed.module("stock_plugin", STOCK_PLUGIN)
    installed.module("shy_agent", SHY_AGENT)
    installed.add("stock", flytekit__plugins={"same": "stock_plugin"})
    installed.add(
        "ours", requires="Flyte_Agent.Core (>=0.1)", flytekit__plugins={"same": "shy_agent"}
    )
    _, entries = listed(installed, "--agent=same", "--agent=stock")
    assert [
        (e["package"], e["task_type"], e["state"], e["detail"]) for e in entries if e["task_type"]
    ] == [
        ("ours", "shy_job", "served", ""),
        ("ours", "reference_alias", "left to another", "stock_plugin"),
        ("stock", "reference_alias", "served", ""),
    ]
    _, entries = listed(installed, "--agent=same")
    served = [(e["package"], e["task_type"]) for e in entries if e["state"] == "served"]
    assert served == [("ours", "shy_job"), ("ours", "reference_alias")]


AFTERWARDS = """
import sys
from flyte_agent_server.bootstrap import import_flytekit
assert import_flytekit() is True
assert "broken_plugin" not in sys.modules
import flytekit, importlib.metadata
for entry_points in (importlib.metadata.entry_points, flytekit.entry_points):
    names = [point.name for point in entry_points(group="flytekit.plugins")]
    assert "broken" in names, names
assert import_flytekit() is False
assert "FLYTE_SDK_RICH_TRACEBACKS" not in __import__("os").environ
assert sys.excepthook is sys.__excepthook__
"""


def test_importing_flytekit_for_the_service_loads_no_plugin_and_changes_nothing_for_later(
    installed: Any,
) -> None:
    installed.module("broken_plugin", BROKEN)
    installed.add("broken", flytekit__plugins={"broken": "broken_plugin"})
    with installed.start("-c", AFTERWARDS) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors


EMBEDDED = """
import flytekit
import flyte_agent_reference.plugin
from flyte_agent_server.startup import assemble
print(assemble(["reference"]).catalogue.task_types)
"""


@pytest.mark.once
def test_an_embedding_program_may_have_imported_everything_before(with_reference: Any) -> None:
    with with_reference.start("-c", EMBEDDED) as process:
        out, errors = process.communicate(timeout=60)
    assert out.strip() == "['reference_alias', 'reference_echo', 'reference_job']", errors
