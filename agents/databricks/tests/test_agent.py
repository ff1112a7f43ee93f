"""The agent as Flyte calls it, against the workspace on this machine."""

from __future__ import annotations

from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_databricks.local.script import Scripted
from flyte_agent_databricks.local.states import Words


def jar(key: str = "main", **more: Any) -> dict[str, Any]:
    """A task that only does what a script says."""
    return {
        "task_key": key,
        "spark_jar_task": {"main_class_name": "Main"},
        "existing_cluster_id": "0101-000000-local000",
        **more,
    }


def submit(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"submit": {"tasks": list(tasks) or [jar()]}, **more}


@pytest.fixture(autouse=True)
def scripted(vendor: Any) -> None:
    vendor.script.add(Scripted(), kind="spark_jar_task")


def test_a_run_succeeds(bench: Any) -> None:
    meta = bench.create(submit())
    resource = bench.settle(meta)
    assert resource.phase is Phase.SUCCEEDED, resource.message
    assert resource.links["Databricks run"].startswith(bench.vendor.url)
    assert resource.custom_info["result"] == "SUCCESS"
    assert resource.outputs is None


def test_create_twice_is_one_run(bench: Any) -> None:
    call = bench.call_of(submit())
    first = bench.run(lambda: bench.agent.create(**call))
    second = bench.run(lambda: bench.agent.create(**call))
    assert first.run_id == second.run_id
    assert len(bench.vendor.store.runs) == 1
    assert len(bench.body()["idempotency_token"]) <= 64


def test_a_failed_task_is_named_with_its_error(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("ValueError: no rows"), task_key="score")
    meta = bench.create(submit(jar("load"), jar("score", depends_on=[{"task_key": "load"}])))
    resource = bench.settle(meta)
    assert resource.phase is Phase.RETRYABLE_FAILED
    assert resource.message.startswith(
        "Databricks RUN_EXECUTION_ERROR in task score: ValueError: no rows"
    )
    assert "Traceback" in resource.message
    assert "Task score" in resource.links


def test_delete_stops_a_run(bench: Any) -> None:
    bench.vendor.hold_runs("RUNNING")
    meta = bench.create(submit())
    assert bench.get(meta).phase in (Phase.RUNNING, Phase.INITIALIZING)
    bench.delete(meta)
    assert bench.vendor.run(meta.run_id).words.is_terminal
    bench.delete(meta)


@pytest.mark.parametrize(
    "trouble", [{"status": 503, "times": 2}, {"status": 404, "reason": "RESOURCE_DOES_NOT_EXIST"}]
)
def test_a_run_that_cannot_be_watched_while_it_stops_was_stopped(bench: Any, trouble: Any) -> None:
    """Databricks has taken the cancel; what is asked after it only tells when it is over."""
    bench.vendor.hold_runs("RUNNING")
    meta = bench.create(submit())
    bench.vendor.faults.add("runs.get", after=1, **trouble)
    bench.delete(meta)
    assert bench.vendor.run(meta.run_id).words.is_terminal
    assert bench.calls("runs.cancel") == 1


def test_a_job_by_id_and_by_name_with_parameters(bench: Any) -> None:
    settings = {
        "name": "nightly",
        "tasks": [jar()],
        "parameters": [{"name": "day", "default": "0"}],
    }
    job = bench.vendor.create_job(settings)
    params = {"job_parameters": {"day": "{inputs.day}"}}
    said = {"inputs": {"day": str}, "values": {"day": "monday"}}

    by_id = bench.create({"run_now": {"job_id": str(job), "params": params}}, **said)
    by_name = bench.create(
        {"run_now": {"job_name": "nightly", "params": params}}, prefix="s3://b/2", **said
    )

    assert bench.settle(by_id).phase is Phase.SUCCEEDED
    assert bench.settle(by_name).phase is Phase.SUCCEEDED
    assert bench.body("jobs.run-now")["job_parameters"] == {"day": "monday"}
    assert bench.vendor.run(by_name.run_id).job_id == job


@pytest.mark.parametrize(
    ("jobs", "said"), [(0, "found 0 jobs called 'nightly'"), (2, "found 2 jobs called 'nightly' (")]
)
def test_a_name_of_no_job_or_of_two_is_a_mistake(bench: Any, jobs: int, said: str) -> None:
    for _ in range(jobs):
        bench.vendor.create_job({"name": "nightly", "tasks": [jar()]})

    resource = bench.get(bench.create({"run_now": {"job_name": "nightly"}}))

    assert resource.phase is Phase.FAILED
    assert said in resource.message


def test_runs_say_whose_they_are(bench: Any) -> None:
    cluster = {
        "spark_version": "16.4",
        "node_type_id": "i3",
        "num_workers": 1,
        "custom_tags": {"team": "x"},
    }
    task = {"task_key": "a", "spark_jar_task": {"main_class_name": "M"}, "new_cluster": cluster}
    bench.create(submit(task), timeout_s=600.0)

    body = bench.body()

    name, _, _ = body["run_name"].rpartition(" #")
    assert name == "flyte task [flytesnacks/development/f0000000000000000000/n0]"
    assert body["timeout_seconds"] == 660
    tags = body["tasks"][0]["new_cluster"]["custom_tags"]
    assert tags["team"] == "x"
    assert tags["flyte-project"] == "flytesnacks"


def test_every_run_ends_some_day(bench: Any) -> None:
    bench.create(submit())
    assert bench.body()["timeout_seconds"] == 7 * 86400
    bench.create(submit(timeout_s=60), prefix="s3://b/2")
    assert bench.body()["timeout_seconds"] == 60


def test_inputs_are_written_into_the_run(bench: Any) -> None:
    notebook = {
        "notebook_path": "/Shared/{inputs.name}",
        "base_parameters": {"day": "{inputs.day}", "n": "{{job.run_id}}"},
    }
    bench.vendor.put_notebook("/Shared/train", "pass")
    custom = submit({"task_key": "a", "notebook_task": notebook})
    bench.create(custom, inputs={"name": str, "day": int}, values={"name": "train", "day": 7})

    task = bench.body()["tasks"][0]["notebook_task"]

    assert task["notebook_path"] == "/Shared/train"
    assert task["base_parameters"] == {"day": "7", "n": "{{job.run_id}}"}


def test_news_goes_into_extra_unchecked(bench: Any) -> None:
    bench.create(submit(extra={"a_new_field": {"n": 1.0}}))
    assert bench.body()["a_new_field"] == {"n": 1}


@pytest.mark.parametrize(
    ("words", "phase", "said"),
    [
        (
            Words("QUEUED", queue_code="MAX_CONCURRENT_RUNS_REACHED"),
            Phase.INITIALIZING,
            "queued at Databricks",
        ),
        (Words("PENDING"), Phase.INITIALIZING, "waits at Databricks"),
        (Words("BLOCKED"), Phase.INITIALIZING, "waits at Databricks"),
        (Words("WAITING_FOR_RETRY"), Phase.RUNNING, "waiting for retry"),
        (Words("RUNNING"), Phase.RUNNING, "running"),
        (Words("TERMINATING"), Phase.RUNNING, "terminating"),
        (Words("A_NEW_STATE"), Phase.RUNNING, "a new state"),
        (Words("TERMINATED", "A_NEW_RESULT"), Phase.RUNNING, "a way this version does not know"),
        (Words("TERMINATED", "SUCCESS"), Phase.SUCCEEDED, "done: success"),
        (
            Words("TERMINATED", "SUCCESS_WITH_FAILURES"),
            Phase.SUCCEEDED,
            "done: success_with_failures",
        ),
        (
            Words("TERMINATED", "TIMEDOUT", code="CANCELED", kind="CLIENT_ERROR"),
            Phase.FAILED,
            "raise its timeout_s",
        ),
        (Words("TERMINATED", "CANCELED", code="USER_CANCELED"), Phase.FAILED, "Somebody cancelled"),
        (Words("SKIPPED"), Phase.RETRYABLE_FAILED, "Another run of the job"),
        (
            Words("INTERNAL_ERROR", "FAILED", code="CLUSTER_ERROR", kind="CLOUD_FAILURE"),
            Phase.RETRYABLE_FAILED,
            "event log",
        ),
    ],
    ids=lambda value: value.life_cycle + value.result if isinstance(value, Words) else "",
)
def test_states_and_what_is_said_of_them(bench: Any, words: Words, phase: Phase, said: str) -> None:
    bench.vendor.hold_runs("RUNNING")
    meta = bench.create(submit())
    bench.vendor.set_words(meta.run_id, words)

    resource = bench.get(meta)

    assert (resource.phase, said in resource.message) == (phase, True), resource.message


def test_a_result_that_stays_unknown_ends_the_task(bench: Any) -> None:
    bench.vendor.hold_runs("RUNNING")
    meta = bench.create(submit())
    bench.vendor.set_words(meta.run_id, Words("TERMINATED", "A_NEW_RESULT"))
    bench.clock.advance(1e9)

    resource = bench.get(meta)

    assert resource.phase is Phase.RETRYABLE_FAILED
    assert resource.error_code == "DATABRICKS.UNKNOWN_RESULT"


def test_some_failures_may_be_a_failure(bench: Any) -> None:
    bench.vendor.hold_runs("RUNNING")
    meta = bench.create(submit(success_with_failures="fail"))
    bench.vendor.set_words(meta.run_id, Words("TERMINATED", "SUCCESS_WITH_FAILURES"))

    assert bench.get(meta).phase is Phase.FAILED


def test_code_that_fails_may_be_final(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("ValueError: no"))

    assert bench.settle(bench.create(submit(on_code_failure="fail"))).phase is Phase.FAILED


def test_a_token_whose_run_was_deleted_gives_way_to_the_next(bench: Any) -> None:
    call = bench.call_of(submit())
    first = bench.run(lambda: bench.agent.create(**call))
    bench.settle(first)
    bench.vendor.store.delete(bench.vendor.run(first.run_id))

    second = bench.run(lambda: bench.agent.create(**call))

    assert second.run_id != first.run_id
    assert bench.settle(second).phase is Phase.SUCCEEDED


def test_a_run_that_was_cancelled_is_not_adopted(bench: Any) -> None:
    bench.vendor.hold_runs("RUNNING")
    call = bench.call_of(submit())
    first = bench.run(lambda: bench.agent.create(**call))
    bench.delete(first)

    second = bench.run(lambda: bench.agent.create(**call))

    assert second.run_id != first.run_id


def test_undo_cancels_what_a_lost_answer_may_have_made(bench: Any) -> None:
    bench.vendor.hold_runs("RUNNING")
    attempt = bench.attempt(submit())
    bench.vendor.faults.add("runs.submit", drop_connection="after", times=None)
    with pytest.raises(Exception, match="cannot be reached"):
        bench.run(lambda: bench.agent.create(attempt), 3.0)
    bench.vendor.faults.clear()

    bench.run(lambda: bench.agent.undo(attempt))

    assert all(run.words.is_terminal for run in bench.vendor.store.runs.values())
    assert len(bench.vendor.store.runs) == 1


def test_logs_and_metrics(bench: Any) -> None:
    bench.vendor.script.add(Scripted(logs="line 1\nline 2\n"))
    meta = bench.create(submit())
    bench.settle(meta)

    async def lines() -> list[str]:
        return [
            line
            async for chunk in bench.agent.log_lines(meta)
            for line in (chunk if isinstance(chunk, list) else [chunk])
        ]

    text = "\n".join(str(line) for line in bench.run(lines))
    assert "task main: success" in text
    assert "line 2" in text
    figures = bench.run(lambda: bench.agent.get_metrics(meta))
    assert "task_runs" in str(figures)


def test_facts_for_a_policy(bench: Any) -> None:
    facts = bench.agent.policy_facts(bench.attempt(submit(credentials="team")))

    assert facts["host"] == [bench.vendor.url]
    assert facts["secret"] == ["team"]
    assert facts["cluster"] == ["0101-000000-local000"]
    assert facts["max_seconds"] == ["604800"]
    statement = bench.agent.policy_facts(bench.attempt({"statement": {}}, sql="SELECT 1"))
    assert statement["warehouse"] == ["(service default)"]
    job = bench.agent.policy_facts(bench.attempt({"run_now": {"job_id": "7"}}))
    assert job["job"] == ["7"]
