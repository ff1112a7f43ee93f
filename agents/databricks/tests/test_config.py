"""What a task may ask for, and how each mistake is told: field, found, expected, repair."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Struct

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_databricks.config import JobRequest, OutputSource, RunNow, parse_custom
from flyte_agent_databricks.config_names import normal_host

CLUSTER = {"spark_version": "16.4.x-scala2.12", "node_type_id": "i3.xlarge", "num_workers": 2}
NOTEBOOK = {"notebook_path": "/Shared/train"}


def task(key: str = "a", **fields: Any) -> dict[str, Any]:
    return {"task_key": key, **(fields or {"notebook_task": NOTEBOOK})}


def submit(*tasks: dict[str, Any], **run: Any) -> dict[str, Any]:
    return {"submit": {"tasks": list(tasks) or [task()], **run}}


def through_flyte(custom: dict[str, Any]) -> dict[str, Any]:
    """What arrives: whole numbers have become doubles."""
    found: dict[str, Any] = MessageToDict(ParseDict(custom, Struct()))
    return found


ON = {"new_cluster": CLUSTER}
KINDS = {
    "notebook": task(notebook_task=NOTEBOOK, **ON),
    "python file": task(
        spark_python_task={"python_file": "/Workspace/a.py", "parameters": ["1"]}, **ON
    ),
    "wheel": task(
        python_wheel_task={"package_name": "p", "entry_point": "main"},
        libraries=[{"whl": "/Volumes/a/b/c.whl"}, {"pypi": {"package": "pandas==2.2"}}],
        **ON,
    ),
    "wheel, serverless": task(
        python_wheel_task={"package_name": "p", "entry_point": "main"}, environment_key="e"
    ),
    "jar": task(spark_jar_task={"main_class_name": "Main"}, existing_cluster_id="0101-1-abc"),
    "spark-submit": task(spark_submit_task={"parameters": ["--class", "Main"]}, **ON),
    "SQL query": task(sql_task={"warehouse_id": "w", "query": {"query_id": "q"}}),
    "SQL file": task(
        sql_task={"warehouse_id": "w", "file": {"path": "/a.sql", "source": "WORKSPACE"}}
    ),
    "SQL dashboard": task(sql_task={"warehouse_id": "w", "dashboard": {"dashboard_id": "d"}}),
    "SQL alert": task(sql_task={"warehouse_id": "w", "alert": {"alert_id": "l"}}),
    "alert": task(alert_task={"alert_id": "l", "warehouse_id": "w"}),
    "dashboard": task(dashboard_task={"dashboard_id": "d"}),
    "dbt": task(dbt_task={"commands": ["dbt deps", "dbt run"], "warehouse_id": "w"}),
    "pipeline": task(pipeline_task={"pipeline_id": "p", "full_refresh": True}),
    "run_job": task(run_job_task={"job_id": str(2**62 + 1)}),
    "condition": task(condition_task={"left": "1", "op": "EQUAL_TO", "right": "1"}),
    "for_each": task(
        for_each_task={
            "inputs": "[1, 2]",
            "concurrency": 2,
            "task": task("i", notebook_task=NOTEBOOK),
        }
    ),
}
ENVIRONMENTS = [
    {"environment_key": "e", "spec": {"environment_version": "4", "dependencies": ["pandas"]}}
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_survives_its_way_through_flyte(kind: str) -> None:
    made = JobRequest(**submit(copy.deepcopy(KINDS[kind]), environments=ENVIRONMENTS))

    assert parse_custom(through_flyte(made.to_custom())) == made


def test_ids_above_what_a_double_holds_survive() -> None:
    made = parse_custom(through_flyte(JobRequest(**submit(KINDS["run_job"])).to_custom()))

    assert made.submit is not None
    assert made.submit["tasks"][0]["run_job_task"]["job_id"] == 2**62 + 1


def test_job_clusters_are_given_to_the_tasks_that_name_them() -> None:
    clusters = [{"job_cluster_key": "big", "new_cluster": CLUSTER}]
    tasks = [task(k, notebook_task=NOTEBOOK, job_cluster_key="big") for k in "ab"]

    made = JobRequest(**submit(*tasks, job_clusters=clusters)).submit

    assert made is not None
    assert "job_clusters" not in made
    assert [t["new_cluster"]["num_workers"] for t in made["tasks"]] == [2, 2]


def cluster(**change: Any) -> dict[str, Any]:
    changed = {**CLUSTER, **change}
    return submit(
        task(
            notebook_task=NOTEBOOK, new_cluster={k: v for k, v in changed.items() if v is not None}
        )
    )


POOL = {"node_type_id": None, "instance_pool_id": "pool"}


@pytest.mark.parametrize(
    "custom",
    [
        cluster(**POOL),
        cluster(num_workers=None, autoscale={"min_workers": 1, "max_workers": 4}),
        cluster(policy_id="p", spark_version=None, node_type_id=None, num_workers=None),
        cluster(num_workers=0, is_single_node=True, kind="CLASSIC_PREVIEW"),
        cluster(spark_env_vars={"API_TOKEN": "{{secrets/scope/key}}"}),
        submit(performance_target="COST_OPTIMIZED", duration_target="4h"),
        submit(
            task(notebook_task={"notebook_path": "dir/train"}),
            git_source={"git_url": "u", "git_provider": "gitHub", "git_branch": "main"},
        ),
        submit(queue={"enabled": True}, access_control_list=[{"user_name": "u", "permission_level": "CAN_VIEW"}],
               email_notifications={"on_failure": ["a@b.c"]}, webhook_notifications={"on_start": [{"id": "1"}]}),
        {"run_now": {"job_name": "nightly", "params": {"job_parameters": {"day": "{inputs.day}"}}}},
        {"statement": {"warehouse_id": "w", "parameters": {"n": "BIGINT", "d": "DECIMAL(10, 2)"}}},
        {"statement": {}, "outputs": {"kind": "rows", "max_rows": 5}},
        {**submit(), "outputs": {"kind": "values", "values": {"n": "a.count"}}},
        {"submit": {"tasks": [{"task_key": "a", "existing_cluster_id": "c"}]}, "python": {"package": "p.whl"},
         "outputs": {"kind": "file"}, "repair": False},
        {**submit(), "extra": {"a_new_field": 1}, "host": "https://adb-1.2.azuredatabricks.net", "credentials": "team"},
    ],
)  # fmt: skip
def test_good_requests_are_taken(custom: dict[str, Any]) -> None:
    assert parse_custom(through_flyte(JobRequest.from_custom(custom).to_custom())) == parse_custom(
        custom
    )


def two(**second: Any) -> dict[str, Any]:
    return submit(task(), task("b", notebook_task=NOTEBOOK, **second))


MISTAKES: list[tuple[str, dict[str, Any]]] = [
    ("submit, run_now, statement: found []", {}),
    ("expected one of them", {**submit(), "statement": {}}),
    ("credentials: found 'text that is no reference", {**submit(), "credentials": "dapi0123456789abcdef"}),
    ("host: found", {**submit(), "host": "ftp://a"}),
    ("submit.tasks: found 0, expected 1 to 100 tasks", {"submit": {"tasks": []}}),
    ("submit.tasks: found 101", submit(*[task(f"t{n}") for n in range(101)])),
    ("submit.tasks: found 'a', expected each task_key once", submit(task(), task())),
    ("submit.tasks[0].task_key: found 'a b'", submit(task("a b"))),
    ("Did you mean 'notebook_task'?", submit(task(notebok_task=NOTEBOOK))),
    ("exactly one kind of work", submit(task(existing_cluster_id="c"))),
    ("Split it into two tasks", submit(task(notebook_task=NOTEBOOK, dashboard_task={}))),
    ("Did you mean 'STANDARD'?", submit(performance_target="STANDRD")),
    ("submit.duration_target", submit(performance_target="COST_OPTIMIZED")),
    ("one of NO_FLEXIBILITY, 4h", submit(performance_target="COST_OPTIMIZED", duration_target="5h")),
    ("submit.idempotency_token", submit(idempotency_token="mine")),
    ("submit.timeout_seconds", submit(timeout_seconds=-1)),
    ("timeout_s: found -1", {**submit(), "timeout_s": -1}),
    ("depends_on: found 'c', expected the key of a task: a, b", two(depends_on=[{"task_key": "c"}])),
    ("'true' or 'false' of a condition_task", two(depends_on=[{"task_key": "a", "outcome": "true"}])),
    ("tasks that do not wait for each other", two(depends_on=[{"task_key": "b"}])),
    ("at most one of", two(existing_cluster_id="c", new_cluster=CLUSTER)),
    ("a sql_task has no cluster",
     submit(task(sql_task={"warehouse_id": "w", "query": {"query_id": "q"}}, existing_cluster_id="c"))),
    ("exactly one of query, dashboard", submit(task(sql_task={"warehouse_id": "w"}))),
    ("a spark_submit_task runs on nothing else", submit(task(spark_submit_task={}, existing_cluster_id="c"))),
    ("no compute", submit(task(python_wheel_task={"package_name": "p", "entry_point": "e"}))),
    ("dbt_task.warehouse_id", submit(task(dbt_task={"commands": ["dbt run"]}))),
    ("commands that begin with 'dbt '", submit(task(dbt_task={"commands": ["run"], "warehouse_id": "w"}))),
    ("expected one of environments: (there are none)", two(environment_key="e")),
    ("none on serverless compute",
     submit(task(notebook_task=NOTEBOOK, environment_key="e", libraries=[]), environments=ENVIRONMENTS)),
    ("environment_version", submit(environments=[{"environment_key": "e", "spec": {}}])),
    ("each environment_key once", submit(environments=ENVIRONMENTS * 2)),
    ("new_cluster.spark_version", cluster(spark_version=None)),
    ("exactly one of node_type_id and instance_pool_id", cluster(instance_pool_id="p")),
    ("exactly one of node_type_id and instance_pool_id", cluster(node_type_id=None)),
    ("found ['autoscale', 'num_workers']", cluster(autoscale={"min_workers": 1, "max_workers": 2})),
    ("the second not below the first", cluster(num_workers=None, autoscale={"min_workers": 3, "max_workers": 2})),
    ("num_workers: found -1", cluster(num_workers=-1)),
    ("A cluster without workers", cluster(num_workers=0)),
    ("a number of workers, or autoscale", cluster(num_workers=None)),
    ("num_workers: found 'two'", cluster(num_workers="two")),
    ("'{{secrets/scope/key}}'", cluster(docker_image={"url": "u", "basic_auth": {"username": "u", "password": "p"}})),
    ("spark_env_vars['DB_PASSWORD']", cluster(spark_env_vars={"DB_PASSWORD": "hunter2"})),
    ("log_analytics_primary_key", cluster(azure_attributes={"log_analytics_info": {"log_analytics_primary_key": "k"}})),
    ("this or new_cluster, not both",
     submit(task(notebook_task=NOTEBOOK, new_cluster=CLUSTER, job_cluster_key="c"),
      job_clusters=[{"job_cluster_key": "c", "new_cluster": CLUSTER}])),
    ("job_cluster_key: found 'c'", submit(task(notebook_task=NOTEBOOK, job_cluster_key="c"))),
    ("job_clusters[0]", submit(job_clusters=[{"key": "c"}])),
    ("a whole path such as", submit(task(notebook_task={"notebook_path": "train"}))),
    ("a path from the top of the repository",
     submit(task(notebook_task={"notebook_path": "/train", "source": "GIT"}), git_source={"git_url": "u",
      "git_provider": "gitHub", "git_tag": "v1"})),
    ("or a git_source of the run", submit(task(notebook_task={"notebook_path": "train", "source": "GIT"}))),
    ("or a git_source of the run",
     submit(task(sql_task={"warehouse_id": "w", "file": {"path": "a.sql", "source": "GIT"}}))),
    ("exactly one of git_branch, git_tag",
     submit(task(dashboard_task={}), git_source={"git_url": "u", "git_provider": "gitHub"})),
    ("access_control_list[0]", submit(access_control_list=[{"permission_level": "CAN_VIEW"}])),
    ("permission_level", submit(access_control_list=[{"user_name": "u"}])),
    ("submit.run_as", submit(run_as={})),
    ("at most 3", submit(webhook_notifications={"on_start": [{"id": "1"}] * 4})),
    ("concurrency: found 0", submit(task(for_each_task={"inputs": "[]", "concurrency": 0, "task": task("i")}))),
    ("Loops do not nest",
     submit(task(for_each_task={"inputs": "[]", "task": task("i", for_each_task={"inputs": "[]",
      "task": task("j")})}))),
    ("new_cluster or existing_cluster_id",
     submit(task(for_each_task={"inputs": "[]", "task": task("i", notebook_task=NOTEBOOK,
      job_cluster_key="c")}))),
    ("a JSON list as text", submit(task(for_each_task={"inputs": "1, 2", "task": task("i")}))),
    ("condition_task.left", submit(task(condition_task={"left": "", "op": "EQUAL_TO", "right": "1"}))),
    ("run_now.job_id, job_name", {"run_now": {}}),
    ("the number of a job, as text", {"run_now": {"job_id": "nightly"}}),
    ("the agent sets it", {"run_now": {"job_id": "1", "params": {"idempotency_token": "t"}}}),
    ("Did you mean 'job_parameters'?", {"run_now": {"job_id": "1", "params": {"job_parameter": {}}}}),
    ("a SQL type such as BIGINT", {"statement": {"parameters": {"n": "int; DROP"}}}),
    ("a name such as 'day'", {"statement": {"parameters": {"1": "INT"}}}),
    ("statement.row_limit", {"statement": {"row_limit": 0}}),
    ("rows, row or scalar", {"statement": {}, "outputs": {"kind": "exit_value"}}),
    ("see 'sql' for SQL tasks", {**submit(), "outputs": {"kind": "rows"}}),
    ("for the body of a Python task only", {**submit(), "outputs": {"kind": "file"}}),
    ("outputs.values", {**submit(), "outputs": {"kind": "values"}}),
    ("'task_key.value_key'", {**submit(), "outputs": {"kind": "values", "values": {"n": "a"}}}),
    ("outputs.task: found 'b'", {**submit(), "outputs": {"kind": "values", "values": {"n": "b.c"}}}),
    ("is added to its tasks", {"run_now": {"job_id": "1"}, "outputs": {"kind": "values", "values": {"n": "b.c"}}}),
    ("outputs.max_rows", {**submit(), "outputs": {"max_rows": 0}}),
    ("beside 'submit'", {"run_now": {"job_id": "1"}, "python": {}}),
    ("one task without a kind", {**submit(), "python": {}}),
    ("'scope/key' of a Databricks secret", {**submit(), "python": {"secrets": {"A": "key"}}}),
    ("update the service", {**submit(), "version": 2}),
    ("Did you mean 'submit'", {"submitt": {}}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "custom"), MISTAKES, ids=[said for said, _ in MISTAKES])
def test_mistakes_are_told(said: str, custom: dict[str, Any]) -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_custom(through_flyte(custom))
    assert said in str(caught.value)


def test_a_token_in_the_place_of_a_reference_is_not_shown() -> None:
    with pytest.raises(InvalidConfig) as caught:
        parse_custom({**submit(), "credentials": "dapi0123456789abcdef"})
    assert "dapi" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("", ""),
        ("adb-1.2.azuredatabricks.net", "https://adb-1.2.azuredatabricks.net"),
        (" https://Dbc-1.cloud.databricks.com/?o=123#job/1 ", "https://dbc-1.cloud.databricks.com"),
        ("https://a.cloud.databricks.com:443/", "https://a.cloud.databricks.com"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://user:pw@a.cloud.databricks.com", "https://a.cloud.databricks.com"),
    ],
)
def test_hosts_are_normalised(written: str, address: str) -> None:
    assert normal_host(written) == address


def test_the_author_constructs_what_the_agent_reads() -> None:
    made = JobRequest(run_now=RunNow(job_id="7"), outputs=OutputSource("run_id"))

    assert made.kind == "run_now"
    assert made.to_custom() == {
        "run_now": {"job_id": "7"},
        "outputs": {"kind": "run_id"},
    }
