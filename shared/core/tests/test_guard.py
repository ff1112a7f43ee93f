"""The rules of the protocol hold whatever the author forgot."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flyte_agent_core import (
    AgentError,
    AsyncAgent,
    Attempt,
    JobMeta,
    JobNotFound,
    Phase,
    ProtocolError,
    Resource,
    RetryableError,
    SyncAgent,
    TaskError,
    rpc,
)
from flyte_agent_core.meta import FailedCreate, Undecodable

HICCUPS = [
    RetryableError("503 backendError"),
    ProtocolError("a reply without a state"),
    TaskError("403 accessDenied"),
    AgentError("something"),
    TimeoutError(),
    ConnectionResetError("reset by peer"),
    KeyError("state"),
]


def run(work: Any) -> Any:
    return asyncio.run(work)


def test_repeated_create_gives_the_same_job(agent, vendor, call):
    first, second = run(agent.create(**call())), run(agent.create(**call()))
    assert first.job_id == second.job_id
    assert list(vendor.jobs) == [first.job_id]


def test_other_attempts_get_other_jobs(agent, vendor, call):
    run(agent.create(**call()))
    run(agent.create(**{**call(), "output_prefix": "s3://bucket/metadata/exec/n0/data/1"}))
    assert len(vendor.jobs) == 2


def test_parallel_creates_of_one_attempt_become_one_call(agent, vendor, call):
    async def both() -> list[Any]:
        vendor.gate = asyncio.Event()
        pair = [asyncio.ensure_future(agent.create(**call())) for _ in range(2)]
        await _until(lambda: vendor.calls)
        vendor.gate.set()
        return await asyncio.gather(*pair)

    first, second = run(both())
    assert first.job_id == second.job_id
    assert vendor.calls == ["create"]


def test_a_mistake_of_the_user_does_not_use_up_retries(agent, vendor, call):
    vendor.fail("create", TaskError("sql: found a typo at [1:7]", code="DEMO.INVALID"))
    meta = run(agent.create(**call()))
    stored = agent.metadata_type.decode(meta.encode())
    resource = run(agent.get(resource_meta=stored))
    assert resource.phase is Phase.FAILED
    assert resource.message == "sql: found a typo at [1:7]"
    assert resource.error_code == "DEMO.INVALID"
    run(agent.delete(resource_meta=stored))
    assert vendor.calls == ["create"]


@pytest.mark.parametrize("error", [RetryableError("429"), RuntimeError("a bug")], ids=str)
def test_what_may_pass_later_is_raised_from_create(agent, vendor, call, error):
    vendor.fail("create", error)
    with pytest.raises(type(error)):
        run(agent.create(**call()))


def test_a_create_that_raised_after_the_vendor_accepted_is_undone(agent, vendor, call):
    class LostAnswer(type(agent)):  # type: ignore[misc]  # a class made on the spot
        async def create(self, attempt: Attempt) -> JobMeta:
            await super().create(attempt)
            raise RetryableError("the answer was lost")

    lost = LostAnswer(clock=agent.clock)
    lost.vendor = vendor

    async def story() -> None:
        with pytest.raises(RetryableError):
            await lost.create(**call())
        await lost.runtime.creates(lost).settle()

    run(story())
    assert vendor.cancelled == list(vendor.jobs)


def test_a_create_whose_caller_has_gone_deletes_its_job(agent, vendor, call):
    async def story() -> None:
        vendor.gate = asyncio.Event()
        caller = asyncio.ensure_future(agent.create(**call()))
        await _until(lambda: vendor.jobs)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        vendor.gate.set()
        await agent.runtime.creates(agent).settle()

    run(story())
    assert vendor.cancelled == list(vendor.jobs)


def test_a_caller_that_comes_back_in_time_keeps_the_job(agent, vendor, call):
    async def story() -> Any:
        vendor.gate = asyncio.Event()
        caller = asyncio.ensure_future(agent.create(**call()))
        await _until(lambda: vendor.jobs)
        caller.cancel()
        again = asyncio.ensure_future(agent.create(**call()))
        await asyncio.sleep(0)
        vendor.gate.set()
        meta = await again
        await agent.runtime.creates(agent).settle()
        return meta

    assert run(story()).job_id in vendor.jobs
    assert vendor.cancelled == []


def test_a_create_past_its_deadline_is_retryable_and_deletes_its_job(agent, vendor, call):
    async def story() -> None:
        vendor.gate = asyncio.Event()
        with rpc.serving(0.05), pytest.raises(RetryableError, match="timeout for CreateTask"):
            await agent.create(**call())
        vendor.gate.set()
        await agent.runtime.creates(agent).settle()

    run(story())
    assert vendor.cancelled == list(vendor.jobs)


@pytest.mark.parametrize("error", HICCUPS, ids=lambda e: type(e).__name__)
def test_get_answers_the_last_known_phase_when_a_poll_fails(agent, vendor, call, error):
    meta = run(agent.create(**call()))
    vendor.jobs[meta.job_id] = "WORK"
    run(agent.get(resource_meta=meta))
    vendor.fail("get", error)
    resource = run(agent.get(resource_meta=meta))
    assert resource.phase is Phase.RUNNING
    assert "1 failed polls" in resource.message
    assert resource.log_links[0].uri.endswith(meta.job_id)


@pytest.mark.parametrize("error", HICCUPS, ids=lambda e: type(e).__name__)
def test_poll_errors_far_apart_never_end_a_task(agent, vendor, clock, call, error):
    """Flyte counts them for the life of a task and gives up at the sixth."""
    meta = run(agent.create(**call()))
    vendor.jobs[meta.job_id] = "WORK"
    for _ in range(20):
        vendor.fail("get", error)
        assert run(agent.get(resource_meta=meta)).phase in (Phase.RUNNING, Phase.INITIALIZING)
        clock.now_s += 800
        assert run(agent.get(resource_meta=meta)).phase is Phase.RUNNING
    vendor.jobs[meta.job_id] = "OK"
    assert run(agent.get(resource_meta=meta)).phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("error", "phase"),
    [(RetryableError("503"), Phase.RETRYABLE_FAILED), (TaskError("403"), Phase.FAILED)],
    ids=str,
)
def test_patience_with_a_vendor_that_never_answers_ends(agent, vendor, clock, call, error, phase):
    meta = run(agent.create(**call()))
    vendor.fail("get", error, error)
    run(agent.get(resource_meta=meta))
    clock.now_s += agent.poll_patience_s
    resource = run(agent.get(resource_meta=meta))
    assert resource.phase is phase
    assert resource.message.startswith("gave up after 15 minutes")


def test_get_comes_back_when_the_vendor_hangs(agent, vendor, call):
    class Hanging(type(agent)):  # type: ignore[misc]  # a class made on the spot
        async def get(self, resource_meta: Any) -> Resource:
            await asyncio.Event().wait()
            raise AssertionError

    hanging = Hanging(clock=agent.clock)
    meta = run(agent.create(**call()))

    async def story() -> Resource:
        with rpc.serving(0.05):
            return await hanging.get(resource_meta=meta)

    assert "no answer in time" in run(story()).message


def test_a_job_the_vendor_does_not_know_yet_is_initializing(agent, vendor, call):
    meta = run(agent.create(**call()))
    vendor.jobs.clear()
    assert run(agent.get(resource_meta=meta)).phase is Phase.INITIALIZING


def test_a_vanished_job_ends_as_retryable(agent, vendor, clock, call):
    meta = run(agent.create(**call()))
    vendor.jobs[meta.job_id] = "WORK"
    run(agent.get(resource_meta=meta))
    vendor.jobs.clear()
    clock.now_s += 3600
    assert run(agent.get(resource_meta=meta)).phase is Phase.RUNNING  # it may be a blip
    clock.now_s += agent.not_found_grace_s
    resource = run(agent.get(resource_meta=meta))
    assert resource.phase is Phase.RETRYABLE_FAILED
    assert "vanished" in resource.message


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04\x95", b"[]", b"{}", b"null", b'{"job_id":' + b"[" * 5000]
)
def test_garbage_metadata_is_answered(agent, vendor, data):
    meta = agent.metadata_type.decode(data)
    assert isinstance(meta, Undecodable)
    assert run(agent.get(resource_meta=meta)).phase is Phase.FAILED
    run(agent.delete(resource_meta=meta))
    assert vendor.calls == []


def test_undefined_never_leaves(agent, call):
    class Vague(type(agent)):  # type: ignore[misc]  # a class made on the spot
        async def get(self, resource_meta: Any) -> Resource:
            return Resource(phase=Phase.UNDEFINED, outputs={})

    resource = run(Vague(clock=agent.clock).get(resource_meta=run(agent.create(**call()))))
    assert (resource.phase, resource.outputs) == (Phase.RUNNING, None)


@pytest.mark.parametrize("error", [JobNotFound("gone"), TaskError("403")], ids=str)
def test_delete_passes_when_trying_again_cannot_help(agent, vendor, call, error):
    meta = run(agent.create(**call()))
    vendor.fail("delete", error)
    run(agent.delete(resource_meta=meta))
    assert vendor.calls.count("delete") == 1


def test_delete_is_repeated_inside_its_deadline(agent, vendor, clock, call):
    meta = run(agent.create(**call()))
    vendor.fail("delete", RetryableError("503"), ConnectionResetError())
    run(agent.delete(resource_meta=meta))
    assert vendor.cancelled == [meta.job_id]
    assert len(clock.slept_s) == 2


def test_delete_fails_when_a_retry_can_help(agent, vendor, call):
    meta = run(agent.create(**call()))
    vendor.fail("delete", RetryableError("503"))

    async def story() -> None:
        with rpc.serving(0.05):
            await agent.delete(resource_meta=meta)

    with pytest.raises(RetryableError, match="not stopped yet"):
        run(story())


def test_blocking_methods_run_in_threads(call):
    import threading

    class Blocking(AsyncAgent[JobMeta]):
        name, task_type, meta_type = "Blocking", "blocking", JobMeta

        def create(self, attempt: Attempt) -> JobMeta:  # type: ignore[override]  # plain functions are allowed
            assert threading.current_thread() is not threading.main_thread()
            return JobMeta()

        async def get(self, resource_meta: JobMeta) -> Resource:
            return Resource(phase=Phase.SUCCEEDED)

        async def delete(self, resource_meta: JobMeta) -> None:
            pass

    assert run(Blocking().create(**call())).key


class Doing(SyncAgent):
    """Returns or raises what it was given."""

    name, task_type = "Doing", "doing"
    outcome: Any = None

    async def do(self, attempt: Attempt) -> Resource:
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "phase"),
    [
        (Resource(phase=Phase.SUCCEEDED), Phase.SUCCEEDED),
        (Resource(phase=Phase.RUNNING), Phase.FAILED),
        (Resource(phase=Phase.UNDEFINED), Phase.FAILED),
        (TaskError("no"), Phase.FAILED),
        (RetryableError("later"), Phase.RETRYABLE_FAILED),
        (ValueError("a bug"), Phase.RETRYABLE_FAILED),
        (TimeoutError(), Phase.RETRYABLE_FAILED),
    ],
    ids=str,
)
def test_do_is_always_terminal(call, outcome, phase):
    doing = Doing()
    doing.outcome = outcome
    assert run(doing.do(**call())).phase is phase


def test_failed_create_fits_the_metadata_limit(agent):
    huge = FailedCreate("DEMO.X", "ü" * 100_000)
    assert len(huge.encode()) < 1024
    assert isinstance(agent.metadata_type.decode(huge.encode()), FailedCreate)


async def _until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0)
