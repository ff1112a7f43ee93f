"""What the message of a failed run says."""

from __future__ import annotations

from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_databricks.local.script import Scripted
from flyte_agent_databricks.local.states import Words, broken

ON = "0101-000000-local000"


def jar(key: str, *after: str, **more: Any) -> dict[str, Any]:
    waits = {"depends_on": [{"task_key": name} for name in after]} if after else {}
    return {
        "task_key": key,
        "spark_jar_task": {"main_class_name": "Main"},
        "existing_cluster_id": ON,
        **waits,
        **more,
    }


@pytest.fixture(autouse=True)
def scripted(vendor: Any) -> None:
    vendor.script.add(Scripted(), kind="spark_jar_task")


def failed(bench: Any, *tasks: Any, **custom: Any) -> Any:
    return bench.settle(bench.create({"submit": {"tasks": list(tasks)}, **custom}))


def test_only_what_failed_by_itself_is_named(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("ValueError: no"), task_key="b")

    resource = failed(bench, jar("a"), jar("b", "a"), jar("c", "b"), jar("d", "c"))

    first = resource.message.splitlines()[0]
    assert first == "Databricks RUN_EXECUTION_ERROR in task b: ValueError: no"
    assert "task c:" not in resource.message
    assert set(resource.links) == {"Databricks run", "Task b"}


def test_the_end_of_the_trace_is_shown_without_colours(bench: Any) -> None:
    trace = "\n".join([
        "Traceback",
        *(f"  line {n}" for n in range(100)),
        "\x1b[31mValueError\x1b[0m: no",
    ])
    bench.vendor.script.add(Scripted.failing("ValueError: no", trace))

    message = failed(bench, jar("a")).message

    assert "| ValueError: no" in message
    assert "line 99" in message
    assert "line 5\n" not in message
    assert "\x1b" not in message


def test_the_last_attempt_of_a_task_counts(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: second"))
    bench.vendor.script.add(Scripted.failing("OSError: first"), times=1)

    message = failed(bench, jar("a", max_retries=1)).message

    assert "OSError: second" in message.splitlines()[0]


def test_a_lost_cluster_is_named(bench: Any) -> None:
    bench.vendor.hold_runs("RUNNING")
    meta = bench.create({"submit": {"tasks": [jar("a")]}})
    bench.vendor.lose_cluster(meta.run_id)

    resource = bench.settle(meta)

    assert resource.phase is Phase.RETRYABLE_FAILED
    assert "CLUSTER_ERROR" in resource.message
    assert f"cluster {ON}" in resource.message
    assert "SPOT_INSTANCE_TERMINATION" in resource.message


def test_many_failures_are_counted_and_some_are_shown(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("ValueError: no"))

    resource = failed(bench, *(jar(f"t{n:02}") for n in range(12)))

    assert "and 2 more" in resource.message.splitlines()[0]
    assert len(resource.message.encode()) <= 2048


def test_a_run_of_more_than_a_hundred_tasks_is_read_whole(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("ValueError: the last"), task_key="t099", run_name="*")
    tasks = [jar(f"t{n:03}", max_retries=1 if n == 99 else 0) for n in range(100)]

    assert "in task t099: ValueError: the last" in failed(bench, *tasks).message


def test_an_output_that_cannot_be_read_is_no_reason_to_fail(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("ValueError: no"))
    bench.vendor.faults.add("runs.get-output", status=403, reason="PERMISSION_DENIED", times=None)

    resource = failed(bench, jar("a"))

    assert resource.phase is Phase.RETRYABLE_FAILED
    assert "its output cannot be read" in resource.message


def test_secrets_in_an_error_are_masked(bench: Any, monkeypatch: Any) -> None:
    from flyte_agent_core.secrets import Secret

    Secret("hunter2-canary")
    bench.vendor.script.add(Scripted.failing("ValueError: hunter2-canary"))

    assert "canary" not in failed(bench, jar("a")).message


def test_success_with_failures_is_a_success_with_warnings(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("ValueError: no"), task_key="a")
    cleaner = jar("z", "a", run_if="ALL_DONE")

    resource = failed(bench, jar("a"), cleaner)

    if resource.phase is Phase.SUCCEEDED:
        assert resource.custom_info["warnings"]
        assert (
            failed(bench, jar("a"), cleaner, success_with_failures="fail").phase
            is not Phase.SUCCEEDED
        )


WHEEL = {"task_key": "body", "existing_cluster_id": ON}


@pytest.mark.parametrize(
    ("error", "phase"),
    [
        ("ValueError: no", Phase.FAILED),
        ("TryAgain: storage", Phase.RETRYABLE_FAILED),
        ("flyte_agent_databricks.raised.TryAgain: storage", Phase.RETRYABLE_FAILED),
        ("TryAgainLater: no", Phase.FAILED),
    ],
)
def test_the_body_of_a_task_says_whether_to_try_again(bench: Any, error: str, phase: Phase) -> None:
    bench.vendor.script.add(Scripted.failing(error), kind="python_wheel_task")
    custom = {
        "submit": {"tasks": [WHEEL]},
        "python": {},
        "outputs": {"kind": "file"},
        "repair": False,
    }

    assert bench.settle(bench.create(custom)).phase is phase


def test_a_body_whose_error_cannot_be_read_is_polled_again(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("ValueError: no"), kind="python_wheel_task")
    bench.vendor.faults.add(
        "runs.get-output", status=503, reason="TEMPORARILY_UNAVAILABLE", times=3
    )
    meta = bench.create({
        "submit": {"tasks": [WHEEL]},
        "python": {},
        "outputs": {"kind": "file"},
        "repair": False,
    })
    bench.vendor.run(meta.run_id).done.wait(10)

    assert not bench.get(meta).phase.is_terminal
    assert bench.settle(meta).phase is Phase.FAILED


def test_infrastructure_under_a_body_is_tried_again(bench: Any) -> None:
    words = broken("CLUSTER_ERROR", "spot", "CLOUD_FAILURE")
    bench.vendor.script.add(Scripted(words), kind="python_wheel_task")
    custom = {
        "submit": {"tasks": [WHEEL]},
        "python": {},
        "outputs": {"kind": "file"},
        "repair": False,
    }

    assert bench.settle(bench.create(custom)).phase is Phase.RETRYABLE_FAILED


def test_words_are_the_vendors(bench: Any) -> None:
    bench.vendor.hold_runs("RUNNING")
    meta = bench.create({"submit": {"tasks": [jar("a")]}})
    bench.vendor.set_words(
        meta.run_id,
        Words("TERMINATED", "FAILED", "It broke", "INVALID_RUN_CONFIGURATION", "CLIENT_ERROR"),
    )

    resource = bench.get(meta)

    assert resource.error_code == "DATABRICKS.INVALID_RUN_CONFIGURATION"
    assert "It broke" in resource.message
