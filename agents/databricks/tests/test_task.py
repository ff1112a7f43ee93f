"""The task classes: what they refuse, what they register, and a local run up to the wire."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import re
from collections import OrderedDict
from typing import Annotated, Any, Optional

import pytest
from flyteidl.core.tasks_pb2 import TaskTemplate
from flytekit import FlyteFile, StructuredDataset, TaskMetadata
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable
from google.protobuf.json_format import MessageToDict

import flyte_agent_databricks
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.outputs import OutputSpec
from flyte_agent_databricks import (
    RUN_ID,
    Alert,
    Condition,
    Dashboard,
    DatabricksConfig,
    DatabricksSQLTask,
    DatabricksTask,
    DatabricksType,
    Dbt,
    ExistingCluster,
    ExistingJob,
    ForEach,
    Jar,
    NewCluster,
    Notebook,
    Pipeline,
    PythonFile,
    PythonWheel,
    RunJob,
    Serverless,
    SparkSubmit,
    SqlAlert,
    SqlDashboard,
    SqlFile,
    SqlQuery,
    Step,
    TaskValue,
)
from flyte_agent_databricks.config import TASK_TYPE, parse_custom
from flyte_agent_databricks.task_sql import names_in

SETTINGS = SerializationSettings(
    ImageConfig(Image("i", "example.com/i", "1")),
    project="flights",
    domain="development",
    version="v1",
)
CLUSTER = NewCluster("16.4.x-scala2.12", "m6i.xlarge", 2)
ON_CLUSTER = DatabricksConfig(compute=CLUSTER)
ON_SERVERLESS = DatabricksConfig(compute=Serverless(["numpy==2.1"]))


@dataclasses.dataclass
class Score:
    word: str
    points: int


class Colour(enum.Enum):
    RED = "red"


def registered(entity: Any) -> TaskTemplate:
    """Return the task as ``pyflyte register`` sends it."""
    template: TaskTemplate = get_serializable(
        OrderedDict(), SETTINGS, entity
    ).template.to_flyte_idl()
    return template


def request_of(entity: Any) -> Any:
    """Return what the agent reads of a registered task."""
    return parse_custom(MessageToDict(registered(entity).custom))


def tasks_of(job: Any, config: DatabricksConfig = ON_CLUSTER, **said: Any) -> list[dict[str, Any]]:
    """Return the tasks of a job, as the agent will send them."""
    tasks: list[dict[str, Any]] = request_of(DatabricksTask("t", job, config, **said)).submit[
        "tasks"
    ]
    return tasks


WHOLE = DatabricksConfig(
    host="https://adb-1.2.azuredatabricks.net",
    credentials="databricks-key",
    compute=NewCluster("16.4.x-scala2.12", "m6i.xlarge", autoscale=(1, 8)),
    libraries=["numpy==2.1", "/Volumes/a/b/c.whl", "dbfs:/x.jar", "/Workspace/requirements.txt"],
    run_name="nightly",
    timeout_s=3600,
    access_control_list=[{"group_name": "all", "permission_level": "CAN_VIEW"}],
    success_with_failures="fail",
    on_code_failure="fail",
    repair=False,
    extra={"newer": 1},
)


@pytest.fixture
def train() -> DatabricksTask:
    """A task with everything."""
    return DatabricksTask(
        "train",
        Notebook("/Workspace/train", {"day": "{inputs.day}", "depth": 6, "dry": False}),
        WHOLE,
        {"day": dt.date},
        Score,
        retries=2,
        timeout=dt.timedelta(hours=1),
        cache=True,
        cache_version="1",
    )


def test_a_task_is_registered_as_an_agents(train: DatabricksTask) -> None:
    template = registered(train)

    assert template.type == TASK_TYPE
    assert template.metadata.retries.retries == 2
    assert template.metadata.timeout.seconds == 3600
    assert not template.HasField("container"), "an agent's task needs no image"
    assert OutputSpec.of(template.interface).kinds == {"results": "struct"}


def test_a_task_is_registered_with_its_configuration(train: DatabricksTask) -> None:
    request = request_of(train)

    assert request == train.request
    assert (request.host, request.credentials) == (WHOLE.host, "databricks-key")
    assert (request.success_with_failures, request.on_code_failure) == ("fail", "fail")
    assert (request.repair, request.timeout_s, request.extra) == (False, 3600, {"newer": 1})
    assert request.outputs.kind == "exit_value"
    assert request.submit["run_name"] == "nightly"
    assert request.submit["access_control_list"] == WHOLE.access_control_list


def test_a_task_is_registered_with_its_work(train: DatabricksTask) -> None:
    parameters = {"day": "{inputs.day:%Y-%m-%d}", "depth": "6", "dry": "false"}
    assert request_of(train).submit["tasks"] == [
        {
            "task_key": "main",
            "notebook_task": {"notebook_path": "/Workspace/train", "base_parameters": parameters},
            "new_cluster": {
                "spark_version": "16.4.x-scala2.12",
                "node_type_id": "m6i.xlarge",
                "autoscale": {"min_workers": 1, "max_workers": 8},
            },
            "libraries": [
                {"pypi": {"package": "numpy==2.1"}},
                {"whl": "/Volumes/a/b/c.whl"},
                {"jar": "dbfs:/x.jar"},
                {"requirements": "/Workspace/requirements.txt"},
            ],
        }
    ]


@pytest.mark.parametrize(
    ("work", "rest"),
    [
        (PythonFile("/Workspace/a.py", [1, True, "x"]),
         {"spark_python_task": {"python_file": "/Workspace/a.py", "parameters": ["1", "true", "x"]}}),
        (PythonWheel("scoring", "main", ["a"]),
         {"python_wheel_task": {"package_name": "scoring", "entry_point": "main", "parameters": ["a"]}}),
        (PythonWheel("scoring", "main", {"a": 1}),
         {"python_wheel_task": {"package_name": "scoring", "entry_point": "main", "named_parameters": {"a": "1"}}}),
        (Jar("com.example.Main", ["a"]),
         {"spark_jar_task": {"main_class_name": "com.example.Main", "parameters": ["a"]}}),
        (SparkSubmit(["--class", "Main", "dbfs:/a.jar"]),
         {"spark_submit_task": {"parameters": ["--class", "Main", "dbfs:/a.jar"]}}),
    ],
)  # fmt: skip
def test_work_with_compute(work: Any, rest: dict[str, Any]) -> None:
    assert tasks_of(work) == [{"task_key": "main", **rest, "new_cluster": CLUSTER.spec}]


@pytest.mark.parametrize(
    ("work", "rest"),
    [
        (SqlQuery("q-1", "w-1", {"day": "x"}),
         {"sql_task": {"warehouse_id": "w-1", "query": {"query_id": "q-1"}, "parameters": {"day": "x"}}}),
        (SqlFile("/Workspace/a.sql", "w-1"),
         {"sql_task": {"warehouse_id": "w-1", "file": {"path": "/Workspace/a.sql"}}}),
        (SqlDashboard("d-1", "w-1", [{"user_name": "a@example.com"}], "Hello"),
         {"sql_task": {"warehouse_id": "w-1", "dashboard": {
             "dashboard_id": "d-1", "subscriptions": [{"user_name": "a@example.com"}], "custom_subject": "Hello"}}}),
        (SqlAlert("a-1", "w-1"), {"sql_task": {"warehouse_id": "w-1", "alert": {"alert_id": "a-1"}}}),
        (Dashboard("d-1", "w-1"), {"dashboard_task": {"dashboard_id": "d-1", "warehouse_id": "w-1"}}),
        (Alert("a-1"), {"alert_task": {"alert_id": "a-1"}}),
        (Dbt(["dbt run"], "w-1", project_directory="p"),
         {"dbt_task": {"commands": ["dbt run"], "warehouse_id": "w-1", "project_directory": "p"}}),
        (Pipeline("p-1", full_refresh=True), {"pipeline_task": {"pipeline_id": "p-1", "full_refresh": True}}),
        (RunJob(2**60, {"a": 1}), {"run_job_task": {"job_id": 2**60, "job_parameters": {"a": "1"}}}),
        (Condition("{{job.run_id}}", "NOT_EQUAL", "0"),
         {"condition_task": {"left": "{{job.run_id}}", "op": "NOT_EQUAL", "right": "0"}}),
        ({"clean_rooms_notebook_task": {"clean_room_name": "c", "notebook_name": "n"}},
         {"clean_rooms_notebook_task": {"clean_room_name": "c", "notebook_name": "n"}}),
    ],
)  # fmt: skip
def test_work_without_compute(work: Any, rest: dict[str, Any]) -> None:
    (task,) = tasks_of(work, DatabricksConfig())
    assert task == {"task_key": "main", **rest}


def test_further_fields_of_a_kind_are_sent() -> None:
    (task,) = tasks_of(Pipeline("p", options={"refresh_selection": ["a"]}), DatabricksConfig())
    assert task["pipeline_task"] == {"pipeline_id": "p", "refresh_selection": ["a"]}


GRAPH = [
    Step("ingest", Notebook("/Workspace/ingest")),
    Step("any", Condition("{{tasks.ingest.values.rows}}", "GREATER_THAN", "0"), ["ingest"]),
    Step(
        "all",
        ForEach([1, 2], Step("one", PythonWheel("w", "main", ["{{input}}"]), libraries=["w.whl"]), 4),
        ["any:true"],
    ),
    Step("sql", SqlQuery("q", "w-1"), ["all"], "ALL_DONE", timeout_s=60, max_retries=1),
    Step("last", Jar("Main"), compute=ExistingCluster("0923-1"), options={"description": "d"}),
]  # fmt: skip


def test_a_graph_of_steps() -> None:
    ingest, condition, loop, sql, last = tasks_of(GRAPH, ON_CLUSTER)

    assert ingest["new_cluster"] == CLUSTER.spec
    assert condition["depends_on"] == [{"task_key": "ingest"}]
    assert "new_cluster" not in condition
    assert loop["depends_on"] == [{"task_key": "any", "outcome": "true"}]
    assert loop["for_each_task"] == {
        "inputs": "[1, 2]",
        "concurrency": 4,
        "task": {
            "task_key": "one",
            "python_wheel_task": {
                "package_name": "w",
                "entry_point": "main",
                "parameters": ["{{input}}"],
            },
            "new_cluster": CLUSTER.spec,
            "libraries": [{"whl": "w.whl"}],
        },
    }
    assert (sql["run_if"], sql["timeout_seconds"], sql["max_retries"]) == ("ALL_DONE", 60, 1)
    assert (last["existing_cluster_id"], last["description"]) == ("0923-1", "d")


def test_steps_share_a_serverless_environment_when_they_need_the_same() -> None:
    steps = [
        Step("a", PythonFile("/Workspace/a.py")),
        Step("b", PythonFile("/Workspace/b.py")),
        Step("c", PythonFile("/Workspace/c.py"), libraries=["pandas", "/Volumes/x.jar", "/W/r.txt"]),
        Step("d", Notebook("/Workspace/d"), compute=Serverless()),
    ]  # fmt: skip
    submit = request_of(DatabricksTask("t", steps, ON_SERVERLESS)).submit

    assert [task.get("environment_key") for task in submit["tasks"]] == [
        "flyte",
        "flyte",
        "flyte_2",
        None,
    ]
    assert submit["environments"] == [
        {"environment_key": "flyte", "spec": {"environment_version": "4", "dependencies": ["numpy==2.1"]}},
        {"environment_key": "flyte_2", "spec": {
            "environment_version": "4", "dependencies": ["numpy==2.1", "pandas", "-r /W/r.txt"],
            "java_dependencies": ["/Volumes/x.jar"]}},
    ]  # fmt: skip


def test_a_job_of_the_workspace() -> None:
    queued = DatabricksConfig(queue={"enabled": True}, performance_target="STANDARD")
    job = ExistingJob("nightly", {"day": "{inputs.day:%Y%m%d}"}, only=["a"])
    request = request_of(
        DatabricksTask("t", job, queued, {"day": dt.date}, str, output_from=RUN_ID)
    )

    assert (request.run_now.job_id, request.run_now.job_name) == ("", "nightly")
    assert request.run_now.params == {
        "job_parameters": {"day": "{inputs.day:%Y%m%d}"},
        "only": ["a"],
        "queue": {"enabled": True},
        "performance_target": "STANDARD",
    }
    assert request.outputs.kind == "run_id"
    for by_id in (2**60, str(2**60)):
        assert request_of(DatabricksTask("t", ExistingJob(by_id))).run_now.job_id == str(2**60)


def test_a_body_of_the_rest_api() -> None:
    body = {
        "run_name": "raw",
        "tasks": [{"task_key": "a", "notebook_task": {"notebook_path": "/Workspace/a"}}],
        "budget_policy_id": "b",
    }
    request = request_of(DatabricksTask("t", body, output=int))
    assert request.submit == body
    assert (request.outputs.kind, request.outputs.task) == ("exit_value", "a")


@pytest.mark.parametrize(
    ("output", "said", "source"),
    [
        (None, {}, ("none", "")),
        (Score, {"output_from": "ingest"}, ("exit_value", "ingest")),
        (list[Score], {"output_from": "sql"}, ("sql", "sql")),
        (int, {"output_from": RUN_ID}, ("run_id", "")),
    ],
)
def test_where_an_output_comes_from(output: Any, said: dict[str, Any], source: Any) -> None:
    found = request_of(DatabricksTask("t", GRAPH, ON_CLUSTER, output=output, **said)).outputs
    assert (found.kind, found.task) == source


def test_task_values_are_outputs_of_their_own() -> None:
    values = {"rows": TaskValue("ingest.row_count", int), "names": TaskValue("ingest.n", list[str])}
    task = DatabricksTask("t", GRAPH, ON_CLUSTER, task_values=values)
    assert request_of(task).outputs.values == {"rows": "ingest.row_count", "names": "ingest.n"}
    assert OutputSpec.of(registered(task).interface).kinds == {
        "rows": "int",
        "names": ["list", "str"],
    }


NOTEBOOK = Notebook("/Workspace/a")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DatabricksTask("t", "notebook"), "job: found 'notebook', expected a Notebook or other work"),
        (lambda: DatabricksTask("t", [NOTEBOOK]), r"Write Step\('key', Notebook\(…\)\)"),
        (lambda: DatabricksTask("t", [GRAPH[0], GRAPH[0]]), "job: found 'ingest', expected each step's key once"),
        (lambda: DatabricksTask("t", NOTEBOOK, "x"), "Import DatabricksConfig"),
        (lambda: DatabricksTask("t", Notebook("relative")), "notebook_path: found 'relative'"),
        (lambda: DatabricksTask("t", Notebook("/a", {"x": [1]})), "Write lists and dicts as JSON"),
        (lambda: DatabricksTask("t", PythonFile("/a.py")), "no compute"),
        (lambda: DatabricksTask("t", PythonFile("/a.py", "x")), r"Write \['x'\]"),
        (lambda: DatabricksTask("t", NOTEBOOK, inputs={"x": int}), r"Write \{inputs.x\} where it belongs"),
        (lambda: DatabricksTask("t", Notebook("/{inputs.y}"), inputs={"x": str}), "expected an input of that name"),
        (lambda: DatabricksTask("t", PythonFile("/a"), ON_CLUSTER, output=int), "others have RUN_ID"),
        (lambda: DatabricksTask("t", GRAPH, ON_CLUSTER, output=int), "output_from, which says whose: ingest, sql"),
        (lambda: DatabricksTask("t", GRAPH, ON_CLUSTER, output=int, output_from="ingst"), "Did you mean 'ingest'"),
        (lambda: DatabricksTask("t", GRAPH, ON_CLUSTER, task_values={"a": "x"}), r"TaskValue\('step.key', type\)"),
        (lambda: DatabricksTask("t", GRAPH, ON_CLUSTER, task_values={"a": TaskValue("nope.x")}), "the key of a task"),
        (lambda: DatabricksTask("t", NOTEBOOK, output=int, task_values={"a": TaskValue("main.x")}), "not both"),
        (lambda: DatabricksTask("t", NOTEBOOK, output=int, max_rows=0), "max_rows: found 0"),
        (lambda: DatabricksTask("t", NOTEBOOK, retires=1), "Did you mean 'retries'"),
        (lambda: DatabricksTask("t", NOTEBOOK, retries=1, metadata=TaskMetadata()), "not both"),
        (lambda: DatabricksTask("t", ExistingJob("j"), ON_CLUSTER), "DatabricksConfig.compute"),
        (lambda: DatabricksTask("t", ExistingJob("")), "Name the job by id or by name"),
        (lambda: DatabricksTask("t", NOTEBOOK, DatabricksConfig(libraries=["x"])), r"compute=Serverless\(\)"),
        (lambda: DatabricksTask("t", Pipeline("p", options={"full_refrsh": True})), "Did you mean 'full_refresh'"),
        (lambda: DatabricksConfig(credentials="dapi0123456789"), "never write a token"),
        (lambda: DatabricksConfig(host="ftp://x"), "the address of a workspace"),
        (lambda: DatabricksConfig(compute="0923-1"), r"Write ExistingCluster\('0923-1'\)"),
        (lambda: DatabricksConfig(compute={"num_workers": 1}), r"NewCluster\(\*\*spec\)"),
        (lambda: DatabricksConfig(performance_target="CHEAP"), "performance_target: found 'CHEAP'"),
        (lambda: DatabricksConfig(success_with_failures="maybe"), "'succeed' or 'fail'"),
        (lambda: DatabricksConfig(timeout_s=-1), "whole seconds"),
        (lambda: DatabricksConfig(libraries="x"), r"Write \['x'\]"),
        (lambda: DatabricksConfig(libraries=[{"pypy": {}}]), "Did you mean 'pypi'"),
        (lambda: DatabricksConfig(queue={"enable": True}), "Did you mean 'enabled'"),
        (lambda: NewCluster("16.4", "m6i.xlarge"), "a number of workers, or autoscale"),
        (lambda: NewCluster("16.4", "m", 2, instnce_pool_id="p"), "Did you mean 'instance_pool_id'"),
        (lambda: NewCluster("16.4", "m", 2, spark_conf={"fs.azure.secret": "x"}), "a value written out"),
        (lambda: ExistingCluster(""), "the id of a cluster"),
        (lambda: Serverless("numpy"), r"Write \['numpy'\]"),
        (lambda: Serverless(key="a b"), "Serverless.key"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_when_it_is_made(make: Any, words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        make()


WRONG = Annotated[str, DatabricksType("X;")]
SQL = """
-- Which carriers are late? The comment, the tabs and :nobody stay.
SELECT\tcarrier,  raw:owner.name, price::DECIMAL(10, 2), ':no' AS a, `:b` /* :ignored */
FROM flights WHERE dep_delay > :minutes AND day = :day AND note = 'it''s' AND tag = "x:y"
"""


def test_a_statement_is_registered_whole() -> None:
    task = DatabricksSQLTask(
        "late", SQL, DatabricksConfig(credentials="key"), {"minutes": int, "day": dt.date}, list[Score],
        warehouse_id="w-1", catalog="main", schema="travel", max_rows=50, query_tags={"team": "a"}, retries=1,
    )  # fmt: skip
    template, request = registered(task), request_of(task)

    assert template.sql.statement == SQL
    assert request.statement.parameters == {"minutes": "BIGINT", "day": "DATE"}
    assert (request.statement.warehouse_id, request.statement.catalog) == ("w-1", "main")
    assert (request.statement.schema, request.statement.query_tags) == ("travel", {"team": "a"})
    assert (request.outputs.kind, request.outputs.max_rows) == ("rows", 50)
    assert OutputSpec.of(template.interface).kinds == {"results": ["list", "struct"]}


@pytest.mark.parametrize(
    ("hint", "kind"),
    [
        (str, "STRING"), (int, "BIGINT"), (float, "DOUBLE"), (bool, "BOOLEAN"), (dt.date, "DATE"),
        (dt.datetime, "TIMESTAMP"), (Optional[int], "BIGINT"), (Colour, "STRING"), (list[int], "STRING"),
        (dict, "STRING"),
        (Annotated[str, DatabricksType("DECIMAL(10, 2)")], "DECIMAL(10, 2)"), (Annotated[int, "note"], "BIGINT"),
    ],
)  # fmt: skip
def test_every_type_of_an_input_is_a_type_of_sql(hint: Any, kind: str) -> None:
    task = DatabricksSQLTask("t", "SELECT :x", inputs={"x": hint})
    assert request_of(task).statement.parameters == {"x": kind}


@pytest.mark.parametrize(
    ("output", "kind"),
    [(None, "none"), (Score, "row"), (Optional[Score], "row"), (list[Score], "rows"), (list[int], "rows"),
     (int, "scalar"), (Optional[str], "scalar"), (dict, "scalar")],
)  # fmt: skip
def test_what_comes_back_of_a_statement(output: Any, kind: str) -> None:
    assert request_of(DatabricksSQLTask("t", "SELECT 1", output=output)).outputs.kind == kind


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT :a, :b, :a", ["a", "b"]),
        ("SELECT a:b, (x):y, z[0]:w, `q`:r, x::INT", []),
        ("SELECT r'\\' || ':x' || \"\\\":y\"", None),
        ("SELECT '\\':x' -- :y\n , :z", ["z"]),
        ("SELECT 'open :x", None),
        ("/* open :x", None),
        ("SELECT CASE WHEN a=:x THEN 1 END", ["x"]),
    ],
)
def test_parameters_are_found_by_the_rules_of_sql(sql: str, names: Any) -> None:
    assert names_in(sql) == names


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: DatabricksSQLTask("t", b"SELECT 1"), "query: found 'bytes'"),
        (lambda: DatabricksSQLTask("t", "  "), "expected a SQL statement"),
        (lambda: DatabricksSQLTask("t", "SELECT :dya", inputs={"day": str}), "Did you mean 'day'"),
        (lambda: DatabricksSQLTask("t", "SELECT 1", inputs={"day": str}), "uses as :day"),
        (
            lambda: DatabricksSQLTask("t", "SELECT :x", inputs={"x": bytes}),
            "Pass other values as text",
        ),
        (
            lambda: DatabricksSQLTask(
                "t", "SELECT :x", inputs={"x": Annotated[str, DatabricksType("X;")]}
            ),
            "a SQL type",
        ),
        (lambda: DatabricksSQLTask("t", "SELECT 1", output=StructuredDataset), "CREATE TABLE"),
        (lambda: DatabricksSQLTask("t", "SELECT 1", output=FlyteFile), "CREATE TABLE"),
        (lambda: DatabricksSQLTask("t", "SELECT 1", ON_CLUSTER), "DatabricksConfig.compute"),
        (lambda: DatabricksSQLTask("t", "SELECT 1", warehouse_id=1), "warehouse_id: found 1"),
    ],
)
def test_a_mistake_in_a_statement_is_told(make: Any, words: str) -> None:
    with pytest.raises(InvalidConfig, match=words):
        make()


def test_public_names_are_found_in_their_modules() -> None:
    for name in flyte_agent_databricks.__all__:
        assert getattr(flyte_agent_databricks, name) is not None
    assert set(flyte_agent_databricks.__all__) == set(flyte_agent_databricks._HOMES)
    assert set(flyte_agent_databricks.__all__) <= set(dir(flyte_agent_databricks))
    with pytest.raises(AttributeError, match=re.escape("has no attribute 'Nope'")):
        flyte_agent_databricks.Nope  # noqa: B018  # asking for it is the test
