"""A Flyte retry repairs the run of the first attempt, where Databricks lets it."""

from __future__ import annotations

from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_databricks.local.script import Scripted

ON = "0101-000000-local000"


def jar(key: str, **more: Any) -> dict[str, Any]:
    return {
        "task_key": key,
        "spark_jar_task": {"main_class_name": "Main"},
        "existing_cluster_id": ON,
        **more,
    }


GRAPH = {"submit": {"tasks": [jar("load"), jar("score", depends_on=[{"task_key": "load"}])]}}


@pytest.fixture(autouse=True)
def scripted(vendor: Any) -> None:
    vendor.script.add(Scripted(), kind="spark_jar_task")


def prefix(attempt: int) -> str:
    return f"s3://bucket/metadata/f0/n0/data/{attempt}"


def tried(bench: Any, custom: Any, retry: int, at: int | None = None, **said: Any) -> Any:
    """Return the metadata of one of Flyte's attempts."""
    return bench.create(custom, retry=retry, prefix=prefix(retry if at is None else at), **said)


def test_only_what_failed_runs_again(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), task_key="score", times=1)
    first = tried(bench, GRAPH, 0)
    assert bench.settle(first).phase is Phase.RETRYABLE_FAILED

    second = tried(bench, GRAPH, 1)

    assert second.run_id == first.run_id
    assert second.repair
    assert bench.settle(second).phase is Phase.SUCCEEDED
    assert len(bench.vendor.store.runs) == 1
    ran = [task.key for task in bench.vendor.run(first.run_id).tasks]
    assert sorted(ran) == ["load", "score", "score"]


def test_create_twice_is_one_repair(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), task_key="score")
    bench.settle(tried(bench, GRAPH, 0))

    metas = [tried(bench, GRAPH, 1) for _ in range(2)]
    bench.settle(metas[0])
    metas.append(tried(bench, GRAPH, 1))

    assert len({(meta.run_id, meta.repair) for meta in metas}) == 1
    assert bench.calls("runs.repair") == 1


def test_the_third_attempt_repairs_again(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), task_key="score", times=2)
    runs = []
    for retry in range(3):
        meta = tried(bench, GRAPH, retry)
        runs.append((meta.run_id, bench.settle(meta).phase.name))

    assert [phase for _, phase in runs] == ["RETRYABLE_FAILED", "RETRYABLE_FAILED", "SUCCEEDED"]
    assert len({run_id for run_id, _ in runs}) == 1
    assert bench.body("runs.repair")["latest_repair_id"]


def test_other_inputs_are_another_run(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), times=1)
    said = {"inputs": {"day": str}}
    first = tried(bench, GRAPH, 0, values={"day": "1"}, **said)
    bench.settle(first)

    second = tried(bench, GRAPH, 1, values={"day": "2"}, **said)

    assert second.run_id != first.run_id


def test_a_refused_repair_is_a_run_of_its_own(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), times=1)
    first = tried(bench, GRAPH, 0)
    bench.settle(first)
    bench.vendor.faults.add(
        "runs.repair", status=400, reason="INVALID_STATE", message="not repairable", times=None
    )

    second, again = tried(bench, GRAPH, 1), tried(bench, GRAPH, 1)

    assert second.run_id == again.run_id != first.run_id
    assert not second.repair
    assert bench.settle(second).phase is Phase.SUCCEEDED


def test_a_repair_whose_answer_is_lost_is_found(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), task_key="score", times=1)
    bench.settle(tried(bench, GRAPH, 0))
    bench.vendor.faults.add("runs.repair", drop_connection="after", times=1)

    second = tried(bench, GRAPH, 1)

    assert bench.settle(second).phase is Phase.SUCCEEDED
    assert len(bench.vendor.run(second.run_id).repairs) <= 2


@pytest.mark.parametrize("custom", [{**GRAPH, "repair": False}], ids=["switched off"])
def test_without_repair_a_retry_is_a_new_run(bench: Any, custom: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), times=1)
    first = tried(bench, custom, 0)
    bench.settle(first)

    assert tried(bench, custom, 1).run_id != first.run_id


def test_a_prefix_that_names_no_attempt_is_a_new_run(bench: Any) -> None:
    bench.settle(bench.create(GRAPH, prefix="s3://b/x/zero"))

    meta = bench.create(GRAPH, retry=1, prefix="s3://b/x/one")

    assert len(bench.vendor.store.runs) == 2
    assert not meta.repair


def test_a_first_attempt_that_made_no_run_leaves_nothing_to_repair(bench: Any) -> None:
    meta = tried(bench, GRAPH, 1)

    assert bench.settle(meta).phase is Phase.SUCCEEDED
    assert len(bench.vendor.store.runs) == 1


def test_a_deleted_run_is_not_repaired(bench: Any) -> None:
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), times=1)
    first = tried(bench, GRAPH, 0)
    bench.settle(first)
    bench.vendor.store.delete(bench.vendor.run(first.run_id))

    second = tried(bench, GRAPH, 1)

    assert bench.settle(second).phase is Phase.SUCCEEDED


def test_a_job_is_repaired_with_its_parameters(bench: Any) -> None:
    job = bench.vendor.create_job({
        "name": "nightly",
        "tasks": [jar("load")],
        "parameters": [{"name": "day", "default": "0"}],
    })
    custom = {"run_now": {"job_id": str(job), "params": {"job_parameters": {"day": "7"}}}}
    bench.vendor.script.add(Scripted.failing("OSError: flaky"), times=1)
    bench.settle(tried(bench, custom, 0))

    second = tried(bench, custom, 1)

    assert bench.settle(second).phase is Phase.SUCCEEDED
    assert bench.body("runs.repair")["job_parameters"] == {"day": "7"}
