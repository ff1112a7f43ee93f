"""The order of tasks, how a run ends by them, and what runs again."""

from __future__ import annotations

import json

import pytest
from databricks.sdk.errors import BadRequest, DatabricksError, InvalidParameterValue
from databricks.sdk.service import jobs

from flyte_agent_databricks.local import Scripted, states
from flyte_agent_databricks.local.conditions import verdict

ALL_RUN_IF = [each.value for each in jobs.RunIf]


@pytest.fixture
def scripted(desk):
    """Tasks named bad_… fail, the others succeed."""
    desk.server.script.add()
    desk.server.script.add(Scripted.failing("ValueError: bad"), task_key="bad_*")
    return desk


def results(run: jobs.Run) -> dict[str, str]:
    return {each.task_key: each.state.result_state.value for each in run.tasks}


def test_a_failed_leaf_fails_the_run_and_those_after_it_are_not_run(scripted, write):
    run = scripted.run(write.jar("a"), write.jar("bad_b", ("a",)), write.jar("c", ("bad_b",)))
    assert results(run) == {"a": "SUCCESS", "bad_b": "FAILED", "c": "UPSTREAM_FAILED"}
    assert run.state.result_state.value == "FAILED"
    assert run.state.state_message == (
        "Task bad_b failed with message: Workload failed, see run output for details. "
        "This caused all downstream tasks to get skipped."
    )
    assert scripted.output(run.run_id, "bad_b").error == "ValueError: bad"


def test_a_failure_that_a_leaf_survives_is_success_with_failures(scripted, write):
    run = scripted.run(write.jar("bad_a"), write.jar("b", ("bad_a",), run_if="ALL_DONE"))
    assert run.state.result_state.value == "SUCCESS_WITH_FAILURES"
    assert run.status.termination_details.code.value == "SUCCESS_WITH_FAILURES"


@pytest.mark.parametrize(
    ("run_if", "before", "words"),
    [
        ("ALL_SUCCESS", ["SUCCESS", "SUCCESS"], None),
        ("ALL_SUCCESS", ["SUCCESS", "FAILED"], states.UPSTREAM_FAILED),
        ("ALL_SUCCESS", ["SUCCESS", "CANCELED"], states.UPSTREAM_CANCELED),
        ("ALL_SUCCESS", ["EXCLUDED", "SUCCESS"], states.EXCLUDED),
        ("AT_LEAST_ONE_SUCCESS", ["SUCCESS", "FAILED"], None),
        ("AT_LEAST_ONE_SUCCESS", ["FAILED", "FAILED"], states.UPSTREAM_FAILED),
        ("NONE_FAILED", ["SUCCESS", "EXCLUDED"], None),
        ("NONE_FAILED", ["EXCLUDED", "EXCLUDED"], states.EXCLUDED),
        ("NONE_FAILED", ["SUCCESS", "TIMEDOUT"], states.UPSTREAM_FAILED),
        ("ALL_DONE", ["FAILED", "EXCLUDED"], None),
        ("AT_LEAST_ONE_FAILED", ["SUCCESS", "FAILED"], None),
        ("AT_LEAST_ONE_FAILED", ["SUCCESS", "SUCCESS"], states.EXCLUDED),
        ("ALL_FAILED", ["FAILED", "FAILED"], None),
        ("ALL_FAILED", ["FAILED", "SUCCESS"], states.EXCLUDED),
    ],
)
def test_run_if_decides_by_the_ends_of_those_before(run_if, before, words):
    assert verdict(run_if, before) == words


@pytest.mark.parametrize("run_if", ALL_RUN_IF)
def test_a_task_without_dependencies_always_runs(run_if):
    assert verdict(run_if, []) is None


@pytest.mark.parametrize(
    ("op", "left", "right", "outcome"),
    [
        ("EQUAL_TO", "12.0", "12", "false"),
        ("NOT_EQUAL", "a", "b", "true"),
        ("GREATER_THAN_OR_EQUAL", "12.0", "12", "true"),
        ("LESS_THAN", "{{tasks.first.values.n}}", "5", "true"),
    ],
)
def test_a_condition_chooses_the_way(desk, write, op, left, right, outcome):
    desk.server.script.add(Scripted(values={"n": 4}), task_key="first")
    desk.server.script.add(kind="spark_jar_task", task_key="on_*")
    ways = [
        {**write.jar(f"on_{way}"), "depends_on": [{"task_key": "if", "outcome": way}]}
        for way in ("true", "false")
    ]
    condition = write.task(
        "if", ("first",), condition_task={"op": op, "left": left, "right": right}
    )
    run = desk.run(write.jar("first"), condition, *ways)
    other = {"true": "false", "false": "true"}[outcome]
    assert results(run)[f"on_{outcome}"] == "SUCCESS"
    assert results(run)[f"on_{other}"] == "EXCLUDED"
    (found,) = [each for each in run.tasks if each.task_key == "if"]
    assert found.condition_task.outcome == outcome
    assert run.state.result_state.value == "SUCCESS"


def test_a_condition_on_what_is_no_number_ends_the_task(desk, write):
    run = desk.run(write.task("if", condition_task={"op": "LESS_THAN", "left": "x", "right": "5"}))
    assert run.status.termination_details.code.value == "INVALID_RUN_CONFIGURATION"


def test_for_each_runs_a_task_for_every_element(desk, write):
    desk.server.put_file(
        "/Workspace/one.py", "import sys\nprint('got', sys.argv[1])\nassert sys.argv[1] != '13'"
    )
    nested = write.file("/Workspace/one.py", "{{input.n}}", key="one")
    loop = {"inputs": json.dumps([{"n": n} for n in (1, 13, 3)]), "concurrency": 2, "task": nested}
    run = desk.run(write.task("loop", for_each_task=loop))
    (found,) = run.tasks
    stats = found.for_each_task.stats.task_run_stats
    assert (stats.total_iterations, stats.succeeded_iterations, stats.failed_iterations) == (
        3,
        2,
        1,
    )
    assert found.state.state_message == "1 of 3 iterations failed; the first one: AssertionError"
    iterations = desk.client.jobs.get_run(found.run_id).iterations
    logs = {desk.client.jobs.get_run_output(each.run_id).logs.split("\n")[0] for each in iterations}
    assert logs == {"got 1", "got 13", "got 3"}


def test_iterations_come_by_the_hundred(scripted, write):
    loop = {"inputs": json.dumps(list(range(230))), "concurrency": 100, "task": write.jar("one")}
    run = scripted.run(write.task("loop", for_each_task=loop))
    assert len(scripted.client.jobs.get_run(run.tasks[0].run_id).iterations) == 230


@pytest.mark.parametrize("inputs", ["{}", "no json", "[]"])
def test_for_each_wants_an_array(scripted, write, inputs):
    loop = {"inputs": inputs, "task": write.jar("one")}
    run = scripted.run(write.task("loop", for_each_task=loop))
    good = inputs == "[]"
    assert run.state.result_state.value == ("SUCCESS" if good else "FAILED")


def test_run_job_starts_a_job_and_ends_as_it_does(scripted, write):
    good = scripted.server.create_job({
        "name": "good",
        "tasks": [write.jar("x")],
        "parameters": [{"name": "p"}],
    })
    bad = scripted.server.create_job({"name": "bad", "tasks": [write.jar("bad_x")]})
    run = scripted.run(
        write.task("call_good", run_job_task={"job_id": good, "job_parameters": {"p": "1"}}),
        write.task("call_bad", run_job_task={"job_id": bad}),
        write.task("call_none", run_job_task={"job_id": 1}),
    )
    assert results(run) == {"call_good": "SUCCESS", "call_bad": "FAILED", "call_none": "FAILED"}
    child = scripted.client.jobs.get_run(
        scripted.output(run.run_id, "call_good").run_job_output.run_id
    )
    assert (child.trigger.value, child.job_id) == ("RUN_JOB_TASK", good)
    assert {each.name: each.value for each in child.job_parameters} == {"p": "1"}


def test_the_vendors_own_retries_make_further_attempts(desk, write):
    desk.server.script.add()
    desk.server.script.add(Scripted.failing("once"), times=2)
    run = desk.run(write.jar("a", max_retries=3, min_retry_interval_millis=1))
    assert sorted((each.attempt_number, each.state.result_state.value) for each in run.tasks) == [
        (0, "FAILED"), (1, "FAILED"), (2, "SUCCESS"),
    ]  # fmt: skip
    assert run.state.result_state.value == "SUCCESS"


def test_a_disabled_task_is_left_out(scripted, write):
    run = scripted.run(write.jar("a", disabled=True), write.jar("b", ("a",)))
    assert results(run) == {"a": "DISABLED", "b": "SUCCESS"}


def test_a_repair_runs_only_what_failed(desk, write):
    desk.server.script.add()
    desk.server.script.add(Scripted.failing("once"), task_key="b", times=1)
    run = desk.run(write.jar("a"), write.jar("b", ("a",)), write.jar("c", ("b",)))
    assert run.state.result_state.value == "FAILED"
    repair = desk.client.jobs.repair_run(run.run_id, rerun_all_failed_tasks=True).response.repair_id
    again = desk.ended(run.run_id)
    assert again.state.result_state.value == "SUCCESS"
    attempts = sorted((each.task_key, each.attempt_number) for each in again.tasks)
    assert attempts == [("a", 0), ("b", 0), ("b", 1), ("c", 0), ("c", 1)]
    history = desk.client.jobs.get_run(run.run_id, include_history=True).repair_history
    assert [(each.type.value, each.id, len(each.task_run_ids)) for each in history] == [
        ("ORIGINAL", None, 3), ("REPAIR", repair, 2),
    ]  # fmt: skip
    with pytest.raises(InvalidParameterValue, match="latest_repair_id"):
        desk.client.jobs.repair_run(run.run_id, rerun_tasks=["a"])
    desk.client.jobs.repair_run(
        run.run_id, rerun_tasks=["b"], rerun_dependent_tasks=True, latest_repair_id=repair
    )
    assert len(desk.ended(run.run_id).tasks) == 7


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ({"rerun_tasks": ["nope"]}, "has no task nope"),
        ({"rerun_all_failed_tasks": True}, "no failed tasks to repair"),
        ({}, "One of rerun_tasks and rerun_all_failed_tasks"),
    ],
)
def test_a_repair_of_nothing_is_refused(scripted, write, body, match):
    run = scripted.run(write.jar("a"))
    with pytest.raises(BadRequest, match=match):
        scripted.client.jobs.repair_run(run.run_id, **body)


def test_an_active_run_is_not_repaired_and_not_deleted(scripted, write):
    scripted.server.hold_runs("RUNNING")
    run_id = scripted.submit(write.jar("a"))
    with pytest.raises(BadRequest, match="active"):
        scripted.client.jobs.repair_run(run_id, rerun_tasks=["a"])
    with pytest.raises(BadRequest, match="active"):
        scripted.client.jobs.delete_run(run_id)


def test_references_are_filled_in(desk, write):
    desk.server.put_file("/Workspace/p.py", "import sys\nprint(*sys.argv[1:], sep='|')")
    job = desk.server.create_job({
        "name": "refs",
        "parameters": [{"name": "day", "default": "monday"}],
        "tasks": [
            write.file(
                "/Workspace/p.py", "{{job.id}}", "{{job.name}}", "{{job.parameters.day}}", "{{task.name}}",
                "{{job.trigger.type}}",
            )
        ],
    })  # fmt: skip
    run_id = desk.client.jobs.run_now(job, job_parameters={"day": "friday"}).run_id
    desk.ended(run_id)
    assert desk.output(run_id).logs == f"{job}|refs|friday|main|one_time\n"


def test_run_now_gives_parameters_to_each_kind(desk, write):
    desk.server.put_file("/Workspace/p.py", "import sys\nprint(sys.argv[1:])")
    desk.server.put_notebook(
        "/n", "dbutils.notebook.exit(str(sorted(dbutils.widgets.getAll().items())))"
    )
    job = desk.server.create_job({
        "tasks": [
            write.file("/Workspace/p.py", "old", key="file"),
            write.notebook("/n", "book", a="1", b="2"),
        ]
    })
    run_id = desk.client.jobs.run_now(job, python_params=["new"], notebook_params={"b": "3"}).run_id
    desk.ended(run_id)
    assert desk.output(run_id, "file").logs == "['new']\n"
    assert desk.output(run_id, "book").notebook_output.result == "[('a', '1'), ('b', '3')]"
    job = desk.server.create_job({"tasks": [write.notebook("/n")], "parameters": [{"name": "y"}]})
    with pytest.raises(InvalidParameterValue, match="no parameter x"):
        desk.client.jobs.run_now(job, job_parameters={"x": "1"})


@pytest.mark.parametrize(
    ("only", "expected"),
    [(["b"], {"b"}), (["+b"], {"a", "b"}), (["b+"], {"b", "c"}), (["+b+"], {"a", "b", "c"})],
)
def test_only_some_tasks_of_a_job_can_be_run(scripted, write, only, expected):
    job = scripted.server.create_job({
        "tasks": [write.jar("a"), write.jar("b", ("a",)), write.jar("c", ("b",))]
    })
    run = scripted.ended(scripted.client.jobs.run_now(job, only=only).run_id)
    assert {each.task_key for each in run.tasks} == expected
    with pytest.raises(InvalidParameterValue, match="has no task z"):
        scripted.client.jobs.run_now(job, only=["z"])


@pytest.mark.parametrize("kind", ["spark_jar_task", "dbt_task", "pipeline_task", "dashboard_task"])
def test_a_kind_that_cannot_run_here_is_refused_until_it_is_scripted(desk, write, kind):
    body = {kind: {"commands": ["dbt run"], "pipeline_id": "p", "dashboard_id": "d"}}
    given = write.task("x", existing_cluster_id=desk.server.cluster_id, **body)
    with pytest.raises(
        DatabricksError, match=rf"Task x: the local workspace cannot run a {kind}.*script.add"
    ) as caught:
        desk.submit(given)
    assert caught.value.error_code == "FEATURE_DISABLED"
    artifacts = {"dbt_output": {"artifacts_link": "https://example.org/a.tgz"}}
    desk.server.script.add(Scripted(output=artifacts, logs="done"), kind=kind)
    run = desk.run(given)
    assert run.state.result_state.value == "SUCCESS"
    assert desk.output(run.run_id).dbt_output.artifacts_link.endswith("a.tgz")
    assert desk.output(run.run_id).logs == "done"


def test_sql_files_and_queries_run_on_duckdb(desk, write):
    desk.server.put_file(
        "/Workspace/make.sql", "CREATE TABLE made AS SELECT :n AS n; SELECT * FROM made"
    )
    query = desk.client.queries.create(query=_query("SELECT n FROM made")).id
    sql = {"warehouse_id": desk.server.warehouse_id}
    run = desk.run(
        write.task(
            "file",
            sql_task={**sql, "file": {"path": "/Workspace/make.sql"}, "parameters": {"n": "7"}},
        ),
        write.task("query", ("file",), sql_task={**sql, "query": {"query_id": query}}),
        write.task("none", ("file",), sql_task={**sql, "query": {"query_id": "nope"}}),
        write.task("wrong", ("file",), sql_task={**sql, "file": {"path": "/Workspace/wrong.sql"}}),
    )
    assert results(run) == {
        "file": "SUCCESS",
        "query": "SUCCESS",
        "none": "FAILED",
        "wrong": "FAILED",
    }
    assert (
        desk.output(run.run_id, "query").sql_output.query_output.query_text == "SELECT n FROM made"
    )
    assert "does not exist" in desk.output(run.run_id, "none").error
    with pytest.raises(DatabricksError, match="a SQL alert is not evaluated"):
        desk.submit(write.task("x", sql_task={**sql, "alert": {"alert_id": "a"}}))


def _query(text: str):
    from databricks.sdk.service.sql import CreateQueryRequestQuery

    return CreateQueryRequestQuery(query_text=text, display_name="q")


@pytest.mark.parametrize(
    ("tasks", "match"),
    [
        ([], "must be specified"),
        ([{"task_key": "a"}], "exactly one task type"),
        ([{"task_key": "a b", "notebook_task": {}}], "task_key"),
        ([{"task_key": "a", "spark_python_task": {"python_file": "x"}}], "one of new_cluster"),
        ([{"task_key": "a", "notebook_task": {}, "environment_key": "e"}], "'e' is not defined"),
        ([{"task_key": "a", "notebook_task": {}, "job_cluster_key": "e"}], "not supported for one-time runs"),
        ([{"task_key": "a", "notebook_task": {}, "existing_cluster_id": "no"}], "Cluster no does not exist"),
        ([{"task_key": "a", "notebook_task": {}, "existing_cluster_id": "x", "new_cluster": {"a": 1}}], "only one of"),
        ([{"task_key": "a", "notebook_task": {}, "run_if": "MAYBE"}], "run_if"),
        ([{"task_key": "a", "notebook_task": {}}] * 2, "Duplicate task key"),
        ([{"task_key": "a", "notebook_task": {}, "depends_on": [{"task_key": "z"}]}], "depends on the task z"),
        ([{"task_key": n, "notebook_task": {}, "depends_on": [{"task_key": m}]} for n, m in ("ab", "ba")], "circle"),
        ([{"task_key": f"t{n}", "notebook_task": {}} for n in range(1001)], "exceeds the limit of 1000"),
        ([{"task_key": "a", "sql_task": {"query": {}}}], "warehouse_id"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(desk, tasks, match):
    with pytest.raises(BadRequest, match=match):
        desk.submit(*tasks)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"performance_target": "STANDARDS"}, "STANDARDS"),
        ({"timeout_seconds": -1}, "timeout_seconds"),
    ],
)
def test_values_that_databricks_would_misread_are_refused(desk, write, settings, match):
    with pytest.raises(BadRequest, match=match):
        desk.submit(write.notebook("/n"), **settings)
