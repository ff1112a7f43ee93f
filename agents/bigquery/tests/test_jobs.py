"""Exactly one job for each attempt, whatever gets lost on the way."""

from __future__ import annotations

import pytest

from flyte_agent_bigquery import jobs
from flyte_agent_bigquery.account import Account
from flyte_agent_bigquery.calls import Calls
from flyte_agent_core import JobNotFound, RetryableError
from flyte_agent_core.meta import FailedCreate

CANCEL = {
    "reason": "stopped",
    "message": "Job execution was cancelled: User requested cancellation",
}


def cancelled(vendor, job_id):
    """Have a job be cancelled."""
    vendor.jobs[job_id]["status"] = {"state": "DONE", "errorResult": CANCEL}


def test_the_same_create_twice_makes_one_job(bench):
    first, second = bench.create(), bench.create()

    assert first.job_id == second.job_id
    assert len(bench.vendor.jobs) == 1
    assert (first.adopted, second.adopted) == (False, True)


def test_another_attempt_makes_another_job(bench):
    first, second = bench.create(prefix="s3://x/0"), bench.create(prefix="s3://x/1")

    assert first.job_id != second.job_id
    assert len(bench.vendor.jobs) == 2


def test_a_job_that_is_done_is_adopted(bench):
    meta = bench.create()
    bench.finish(meta)

    again = bench.create()

    assert again.job_id == meta.job_id
    assert not again.adopted  # nobody can cancel it any more
    assert bench.get(again).phase.name == "SUCCEEDED"


def test_a_job_that_failed_is_adopted_and_told(bench):
    meta = bench.create()
    bench.fail(meta, "backendError")

    assert bench.get(bench.create()).phase.name == "RETRYABLE_FAILED"


def test_a_job_that_does_something_else_is_refused(bench):
    bench.create(sql="SELECT 1", prefix="s3://x/0")

    failed = bench.create(sql="SELECT 2", prefix="s3://x/0")

    assert isinstance(failed, FailedCreate)
    assert failed.code == "BIGQUERY.JOB_CONFLICT"
    assert "another name" in failed.message


@pytest.mark.parametrize(
    "change", [{"values": {"n": 2}}, {"custom": {"configuration": {"labels": {"team": "b"}}}}]
)
def test_other_inputs_or_settings_are_something_else(bench, change):
    typed = {"parameters": {"n": {"type": "INT64"}}, "parameter_order": ["n"]}
    said = {"sql": "SELECT @n", "inputs": {"n": int}, "values": {"n": 1}, "prefix": "s3://x/0"}
    bench.create(**said, custom=typed)

    failed = bench.create(**{**said, **change, "custom": {**typed, **change.get("custom", {})}})

    assert failed.code == "BIGQUERY.JOB_CONFLICT"
    assert len(bench.vendor.jobs) == 1


def test_a_job_of_a_stranger_is_refused(bench):
    meta = bench.create()
    del bench.vendor.jobs[meta.job_id]["configuration"]["labels"]

    assert bench.create().code == "BIGQUERY.JOB_CONFLICT"


def test_a_job_this_service_cancelled_is_replaced(bench):
    """Its caller had gone, so it was cancelled; now Flyte asks again for the same attempt."""
    first = bench.create()
    cancelled(bench.vendor, first.job_id)

    second = bench.create()

    assert second.job_id != first.job_id
    assert second.job_id.endswith("-g1")
    assert bench.get(second).phase.name == "RUNNING"


def test_a_job_that_ran_into_its_time_limit_is_not_replaced(bench):
    meta = bench.create()
    bench.fail(meta, "stopped", "Job execution was cancelled: Job timed out after 2 sec")

    assert bench.create().job_id == meta.job_id


def test_replacing_has_an_end(bench):
    for _ in range(jobs.GENERATIONS):
        cancelled(bench.vendor, bench.create().job_id)

    with pytest.raises(RetryableError):
        bench.create()

    assert len(bench.vendor.jobs) == jobs.GENERATIONS


def test_a_cancel_that_arrives_after_the_adoption_is_tried_again(bench):
    bench.create()
    meta = bench.create()
    cancelled(bench.vendor, meta.job_id)

    assert meta.adopted
    assert bench.get(meta).phase.name == "RETRYABLE_FAILED"


def test_a_cancel_by_somebody_else_is_final(bench):
    """Who cancels a job at BigQuery does not want it to start again."""
    meta = bench.create()
    cancelled(bench.vendor, meta.job_id)

    resource = bench.get(meta)

    assert resource.phase.name == "FAILED"
    assert resource.error_code == "BIGQUERY.STOPPED"


# -- lost answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lost", ["before", "after"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_dropped_insert_makes_one_job(bench, lost, times):
    bench.vendor.faults.add(
        "insert", drop_connection=True if lost == "before" else "after", times=times
    )

    meta = bench.create()

    assert list(bench.vendor.jobs) == [meta.job_id]
    assert bench.get(meta).phase.name == "RUNNING"


@pytest.mark.parametrize("work_first", [False, True])
@pytest.mark.parametrize(
    ("status", "reason"),
    [(500, "internalError"), (502, "badGateway"), (503, "backendError"), (429, "rateLimitExceeded"),
     (403, "rateLimitExceeded"), (400, "jobRateLimitExceeded")],
)  # fmt: skip
def test_a_refused_insert_makes_one_job(bench, status, reason, work_first):
    bench.vendor.faults.add("insert", status=status, reason=reason, times=2, work_first=work_first)

    meta = bench.create()

    assert list(bench.vendor.jobs) == [meta.job_id]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500, "reason": "internalError"},
        {"status": 503, "reason": "backendError"},
        {"status": 404, "reason": "notFound"},
        {"drop_connection": True},
        {"drop_connection": "after"},
    ],
)
def test_a_job_that_is_there_is_found_in_the_end(bench, fault):
    """Right after a 409 a job may not be known for a while (googleapis/python-bigquery#2134)."""
    bench.create()
    bench.vendor.faults.add("get", times=3, **fault)

    assert bench.create().adopted


def test_a_job_that_is_not_known_right_after_its_duplicate_is_waited_for(bench):
    bench.create()
    bench.vendor.knows_after = 4

    assert bench.create().adopted


def test_a_vendor_that_stays_down_is_for_the_next_attempt(bench):
    bench.vendor.faults.add("*", status=503, reason="backendError", times=None)

    with pytest.raises(RetryableError) as failed:
        bench.create()

    assert failed.value.code == "BIGQUERY.BACKEND_ERROR"
    assert not bench.vendor.jobs


def test_a_long_term_quota_is_not_waited_for(bench):
    bench.vendor.faults.add("insert", status=403, reason="quotaExceeded", times=None)

    with pytest.raises(RetryableError) as failed:
        bench.create()

    assert bench.vendor.count("insert") == 1
    assert failed.value.retry_after_s == 600


def test_a_limit_that_was_hit_made_no_job_to_look_for(bench):
    bench.vendor.faults.add("insert", status=429, reason="rateLimitExceeded", times=1)

    bench.create()

    assert bench.vendor.count("get") == 0


def test_an_answer_that_is_not_json_is_looked_into(bench):
    """A proxy's page with status 200: the job may be there."""
    bench.vendor.faults.add("insert", status=200, work_first=True)

    meta = bench.create()

    assert list(bench.vendor.jobs) == [meta.job_id]


def test_a_duplicate_in_a_region_nobody_named_is_found(bench):
    """Without a location only US and EU are looked through; the refusal says where the job is."""
    bench.vendor.location = "europe-west4"
    bench.vendor.faults.add("insert", drop_connection="after")

    meta = bench.create()

    assert meta.location == "europe-west4"
    assert bench.get(meta).phase.name == "RUNNING"


# -- stopping ----------------------------------------------------------------------------------------------


def test_a_job_is_watched_until_it_has_stopped(bench):
    meta = bench.create()
    bench.vendor.stops_after = 3

    bench.delete(meta)

    assert bench.vendor.jobs[meta.job_id]["status"]["state"] == "DONE"
    assert bench.vendor.count("cancel") == 1


def test_a_job_that_is_slow_to_stop_is_no_error(bench):
    """BigQuery has taken the cancel; asking again would not speed it up."""
    meta = bench.create()
    bench.vendor.stops_after = 10_000

    bench.delete(meta)

    assert bench.vendor.count("cancel") == 1


@pytest.mark.parametrize("patch", [{}, {"status": {"errorResult": {"reason": "invalid"}}}])
def test_stopping_a_finished_job_changes_nothing(bench, patch):
    meta = bench.create()
    bench.finish(meta, patch)
    before = bench.vendor.jobs[meta.job_id]

    bench.delete(meta)
    bench.delete(meta)

    assert bench.vendor.jobs[meta.job_id] == before


def test_stopping_an_unknown_job_is_fine(bench):
    meta = bench.create()
    bench.vendor.jobs.clear()

    bench.delete(meta)


@pytest.mark.parametrize("fault", [{"status": 500}, {"status": 503}, {"status": 429}, {"drop_connection": True},
                                   {"drop_connection": "after"}])  # fmt: skip
def test_a_cancel_that_got_lost_is_sent_again(bench, fault):
    meta = bench.create()
    bench.vendor.faults.add("cancel", times=2, **fault)

    bench.delete(meta)
    bench.get(meta)

    assert bench.vendor.jobs[meta.job_id]["status"]["state"] == "DONE"


def test_a_job_that_cannot_be_seen_stopping_is_stopped_all_the_same(bench):
    meta = bench.create()
    bench.vendor.stops_after = 2
    bench.vendor.faults.add("get", status=503, times=2)

    bench.delete(meta)

    assert bench.vendor.count("cancel") == 1


def test_a_cancel_that_never_arrives_is_an_error(bench):
    meta = bench.create()
    bench.vendor.faults.add("cancel", status=503, reason="backendError", times=None)

    with pytest.raises(RetryableError):
        bench.run(lambda: bench.agent.delete(resource_meta=meta), 1.2)


def test_a_cancel_that_is_forbidden_is_not_repeated_for_ever(bench):
    """Flyte would fail the whole workflow after ten of them."""
    meta = bench.create()
    bench.vendor.faults.add("cancel", status=403, reason="accessDenied", times=None)

    bench.delete(meta)

    assert bench.vendor.count("cancel") == 1


# -- what Flyte does not know of ---------------------------------------------------------------------------


def undo(bench, **said):
    from flyte_agent_core import Attempt

    attempt = Attempt.of(**bench.call_of(**said))
    bench.run(lambda: bench.agent.undo(attempt))


def test_what_a_failed_create_left_is_stopped(bench):
    bench.vendor.location = "asia-east1"
    meta = bench.create()

    undo(bench)
    bench.run(lambda: Calls(bench.agent, Account()).get(meta.ref))

    assert bench.vendor.jobs[meta.job_id]["status"]["state"] == "DONE"


def test_every_generation_is_stopped(bench):
    cancelled(bench.vendor, bench.create().job_id)
    second = bench.create()

    undo(bench)
    bench.get(second)

    assert bench.vendor.jobs[second.job_id]["status"]["state"] == "DONE"


def test_there_may_be_nothing_to_stop(bench):
    undo(bench)
    undo(bench, custom={"location": "EU"})

    assert not bench.vendor.jobs


def test_a_job_is_located_among_the_recent_ones(bench):
    bench.vendor.location = "EU"
    meta = bench.create()
    calls = Calls(bench.agent, Account())
    unknown = meta.ref._replace(location="")

    assert bench.run(lambda: jobs.locate(calls, bench.clock, unknown)) == meta.ref
    with pytest.raises(JobNotFound):
        bench.run(lambda: jobs.locate(calls, bench.clock, unknown._replace(job_id="other")))
