"""The README's examples, run as they stand."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import flyte_agent_databricks
from flyte_agent_databricks import DatabricksSQLTask, DatabricksTask, DatabricksV2, Serverless, Step
from flyte_agent_databricks.task_body import DatabricksBodyTask
from flyte_agent_databricks.task_config import DatabricksConfig, DatabricksJob, fields_in
from flyte_agent_databricks.task_sql import SQL_TYPES
from flyte_agent_databricks.task_work import Work

README = Path(__file__).parent.parent / "README.md"


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the examples define, one after the other."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    path = tmp_path_factory.mktemp("readme") / "databricks_readme.py"
    path.write_text("\n".join(blocks))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return vars(module)


def test_every_example_is_a_task_that_can_be_made(examples: Any) -> None:
    kinds = (DatabricksTask, DatabricksSQLTask, DatabricksBodyTask)
    assert len([value for value in examples.values() if isinstance(value, kinds)]) == 8


def test_the_first_example_runs_in_this_process(examples: Any) -> None:
    found = examples["wf"](words=["a", "flight"], least=3)
    assert [(score.word, score.points) for score in found] == [("flight", 6)]


def test_the_first_example_runs_on_a_workspace(examples: Any, shell: Any) -> None:
    before = set(shell.store.runs)
    found = examples["wf"](words=["a", "flight"], least=3)
    assert [(score.word, score.points) for score in found] == [("flight", 6)]
    (made,) = set(shell.store.runs) - before
    assert shell.store.runs[made].words.is_success


@pytest.mark.parametrize("config", [DatabricksConfig, DatabricksJob, Step, Serverless])
def test_every_option_is_on_the_page(config: Any) -> None:
    text = README.read_text()
    assert not [name for name in fields_in(config) if f"`{name}`" not in text]


def test_every_argument_is_on_the_page() -> None:
    text = README.read_text()
    for task in (DatabricksTask, DatabricksSQLTask):
        names = [n for n in task.__init__.__annotations__ if n not in ("return", "options")]
        assert not [n for n in names if f"`{n}`" not in text and f"{n}," not in text]


PUBLIC = [getattr(flyte_agent_databricks, name) for name in flyte_agent_databricks.__all__]
KINDS = [each for each in PUBLIC if isinstance(each, type) and issubclass(each, Work)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_work_is_on_the_page(kind: type[Work]) -> None:
    (row,) = re.findall(rf"^\| `{kind.__name__}\((.*?)\)`", README.read_text(), re.MULTILINE)
    told = (*row.split(", "), "options", "source")
    assert not [name for name in fields_in(kind) if name not in told]


def test_every_type_of_a_parameter_is_on_the_page() -> None:
    text = README.read_text()
    for name, kind in SQL_TYPES.items():
        assert re.search(rf"^\| .*`{name}`.* \| {kind}", text, re.MULTILINE), name


def test_every_public_name_is_on_the_page() -> None:
    text = README.read_text()
    not_for_authors = {"DatabricksAgent", "DatabricksJobMeta", "run_task"}
    names = set(flyte_agent_databricks.__all__) - not_for_authors
    assert not [name for name in names if name not in text]


def test_the_stock_configuration_has_the_stock_fields() -> None:
    """Of flytekitplugins-spark 1.16.31."""
    assert fields_in(DatabricksV2) == [
        "spark_conf", "hadoop_conf", "executor_path", "applications_path", "driver_pod", "executor_pod",
        "databricks_conf", "databricks_instance", "databricks_service_credential_provider", "databricks_token_secret",
        "databricks_auth_type", "databricks_client_id", "databricks_oauth_secret", "databricks_oidc_token_file",
        "databricks_oidc_audience", "notebook_path", "notebook_base_parameters",
    ]  # fmt: skip
