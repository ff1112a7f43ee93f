"""Tasks that flytekit's own plugin registered, and runs that it has started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.literals_pb2 import KeyValuePair
from flyteidl.core.tasks_pb2 import Container

from flyte_agent_core import Phase
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_databricks.agent import DatabricksAgent
from flyte_agent_databricks.config_stock import submit_of
from flyte_agent_databricks.local.script import Scripted
from flyte_agent_databricks.meta import DatabricksJobMeta

CONTAINER = Container(
    image="repo/image:1",
    args=["pyflyte-execute", "--inputs", "s3://a"],
    env=[KeyValuePair(key="FLYTE_X", value="1")],
)
METAS = Path(__file__).parent / "metas"


def custom(vendor: Any = None, **conf: Any) -> dict[str, Any]:
    host = {"databricksInstance": vendor.url} if vendor else {}
    return {
        "sparkConf": {"spark.a": "1"},
        "applicationsPath": "local:///a.py",
        "databricksConf": conf,
        **host,
    }


CLUSTER = {"spark_version": "16", "node_type_id": "i3", "num_workers": 2.0}


def test_a_new_cluster_gets_image_conf_and_variables() -> None:
    made = submit_of(
        custom(
            new_cluster=dict(CLUSTER), run_name="r", timeout_seconds=60, libraries=[{"whl": "w"}]
        ),
        CONTAINER,
    )

    (task,) = made["tasks"]
    assert (made["run_name"], made["timeout_seconds"], task["libraries"]) == (
        "r",
        60,
        [{"whl": "w"}],
    )
    assert task["new_cluster"]["docker_image"] == {"url": "repo/image:1"}
    assert task["new_cluster"]["spark_conf"] == {"spark.a": "1"}
    assert task["new_cluster"]["spark_env_vars"] == {"FLYTE_X": "1", "FLYTE_FAIL_ON_ERROR": "true"}
    assert task["spark_python_task"]["python_file"] == "flytekitplugins/databricks/entrypoint.py"
    assert task["spark_python_task"]["parameters"] == list(CONTAINER.args)
    assert made["git_source"]["git_url"] == "https://github.com/flyteorg/flytetools"


def test_an_own_file_of_an_own_repository() -> None:
    git = {"git_url": "u", "git_provider": "gitHub", "git_branch": "b"}
    made = submit_of(custom(existing_cluster_id="c", git_source=git, python_file="p.py"), CONTAINER)

    assert made["git_source"] == git
    assert made["tasks"][0]["existing_cluster_id"] == "c"
    assert made["tasks"][0]["spark_python_task"]["python_file"] == "p.py"


def test_serverless_with_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER", "cred")
    made = submit_of(custom(environment_key="e"), CONTAINER)

    (task,) = made["tasks"]
    assert task["environment_key"] == "e"
    assert made["environments"][0]["spec"]["environment_vars"]["FLYTE_X"] == "1"
    assert task["spark_python_task"]["parameters"][-1] == "--flyte-credential-provider=cred"


def test_a_notebook() -> None:
    said = {"notebookPath": "/a", "notebookBaseParameters": {"x": "1"}}
    made = submit_of({**custom(existing_cluster_id="c"), **said}, CONTAINER)

    assert made["tasks"][0]["notebook_task"] == {
        "notebook_path": "/a",
        "base_parameters": {"x": "1"},
    }
    assert "git_source" not in made


def test_a_notebook_of_a_repository() -> None:
    git = {"git_url": "u", "git_provider": "gitHub", "git_tag": "t"}
    made = submit_of(
        {
            **custom(environments=[{"environment_key": "default", "spec": {}}], git_source=git),
            "notebookPath": "a",
        },
        CONTAINER,
    )

    assert made["tasks"][0]["notebook_task"]["source"] == "GIT"
    assert made["tasks"][0]["environment_key"] == "default"


def test_no_compute_is_a_mistake() -> None:
    with pytest.raises(InvalidConfig, match="databricks_conf"):
        submit_of(custom(), CONTAINER)


@pytest.fixture
def stock(bench: Any) -> Any:
    bench.vendor.script.add(Scripted(), kind="spark_python_task")
    return lambda **said: bench.create(
        custom(bench.vendor, existing_cluster_id=bench.vendor.cluster_id),
        task_type="databricks",
        container=CONTAINER,
        **said,
    )


def test_a_stock_task_runs_with_the_plugins_variables(
    bench: Any, stock: Any, monkeypatch: Any
) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.setenv("FLYTE_DATABRICKS_ACCESS_TOKEN", bench.vendor.token)

    meta = stock()

    assert meta.stock["auth_type"] == "pat"
    assert bench.vendor.token.encode() not in meta.encode()
    assert bench.settle(meta).phase is Phase.SUCCEEDED
    assert bench.body()["idempotency_token"]


def test_code_of_a_stock_task_that_fails_is_final_as_it_was(
    bench: Any, stock: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FLYTE_DATABRICKS_ACCESS_TOKEN", bench.vendor.token)
    bench.vendor.script.add(Scripted.failing("ValueError: no"), kind="spark_python_task")

    assert bench.settle(stock()).phase is Phase.FAILED


def test_a_run_that_the_plugin_has_started_goes_on(bench: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://elsewhere.cloud.databricks.com")
    monkeypatch.setenv("FLYTE_AGENT_DATABRICKS_HOSTS", bench.vendor.url)
    bench.vendor.hold_runs("RUNNING")
    job = bench.vendor.create_job({
        "name": "x",
        "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/x"}}],
    })
    run = bench.vendor.flow.run_of(bench.vendor.store.job(job), "local@workspace.invalid", {})
    bench.vendor.flow.submit(run)
    written = {
        "databricks_instance": bench.vendor.url,
        "run_id": str(run.run_id),
        "auth_token": bench.vendor.token,
    }
    kept = bench.agent.metadata_type.decode(json.dumps(written).encode())

    resource = bench.run(lambda: bench.agent.get(resource_meta=kept), 9.0)
    bench.run(lambda: bench.agent.delete(resource_meta=kept), 9.0)

    assert resource.phase in (Phase.RUNNING, Phase.INITIALIZING), resource.message
    assert bench.vendor.run(run.run_id).words.is_terminal
    assert bench.vendor.token.encode() not in kept.encode()
    assert bench.vendor.token not in repr(kept)


@pytest.mark.parametrize("file", sorted(METAS.glob("stock*.json")), ids=lambda file: file.stem)
def test_metadata_of_the_plugin_is_read(file: Path) -> None:
    meta = DatabricksJobMeta.decode(file.read_bytes())

    assert (meta.kind, meta.run_id) == ("stock", "123")
    assert meta.host == "https://adb-1.2.azuredatabricks.net"


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x95pickle",
        b"{}",
        b'{"v": 1}',
        b'{"run_id": "abc"}',
        b'{"v": 1, "run_id": 7}',
        b"[]",
    ],
)
def test_other_bytes_are_no_metadata_and_run_nothing(data: bytes) -> None:
    kept = DatabricksAgent().metadata_type.decode(data)

    assert not isinstance(kept, DatabricksJobMeta)


def test_the_type_of_a_kubernetes_plugin_is_not_claimed() -> None:
    assert DatabricksAgent.task_type == "databricks_job"
    assert DatabricksAgent.aliases == ("databricks",)
