"""
One job for each attempt, whatever goes wrong: real gRPC, the real SDK, propeller and vendor misbehaving.

Time is virtual, jobs are real: they run in the stand-in, and the clock stands still while they do.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from misfortune import ATTEMPTS
from misfortune import play as under_misfortune

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_bigquery.local import LocalBigQuery
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import Faults, Outcome, TaskRun
from flyte_agent_testing.templates import task_template


def query(sql: str) -> Any:
    """A task that returns one integer."""
    custom = {
        "kind": "query",
        "project": "local",
        "result": "scalar",
        "configuration": {"query": {"useLegacySql": False}},
    }
    return task_template("bigquery_job", custom=custom, sql=sql, outputs={"results": int})


def tasks(number: int) -> list[TaskRun]:
    """Nine tasks that succeed for each that fails by its own fault."""
    good = [query(f"SELECT {n} AS n") for n in range(number - number // 10)]
    bad = [query(f"SELECT CAST(ERROR('bad {n}') AS INT64)") for n in range(number // 10)]
    return [TaskRun(template=template, retries=3) for template in [*good, *bad]]


def misbehave(vendor: LocalBigQuery) -> list[Any]:
    """Script everything BigQuery and the network do to a client."""
    scripted = []
    for seed, (route, share) in enumerate({"jobs.insert": 0.04, "jobs.get": 0.04}.items()):
        add = lambda **what: scripted.append(vendor.faults.add(**what))  # noqa: E731  # read below
        chance = {"probability": share, "times": None, "seed": seed}
        add(route=route, status=429, reason="rateLimitExceeded", **chance)
        add(route=route, status=500, reason="internalError", **chance)
        add(route=route, status=503, reason="backendError", **chance)
        add(route=route, status=503, reason="backendError", work_first=True, **chance)
        add(route=route, drop_connection=True, **chance)
        add(route=route, drop_connection="after", **chance)
        add(route=route, delay_s=0.05, **chance)
    return scripted


async def play(
    vendor: LocalBigQuery, number: int, faults: Faults, *, held: bool = False
) -> list[Outcome]:
    """Run tasks through the service while propeller does its worst; ``held`` jobs never end."""
    clock = FakeClock()
    agent = BigQueryAgent(clock=clock)

    def at_work() -> bool:
        return not held and any(not job.done.is_set() for job in vendor.jobs.all())

    return await under_misfortune(agent, clock, tasks(number), faults, at_work)


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """BigQuery on this machine, and an agent that finds it."""
    with LocalBigQuery() as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        yield server


def test_a_thousand_attempts_are_a_thousand_jobs(vendor: LocalBigQuery) -> None:
    scripted = misbehave(vendor)
    faults = Faults(crash_after_create=0.2, round_lost=0.1, lost_answer=0.1, repeated_delete=0.1)
    outcomes = asyncio.run(play(vendor, ATTEMPTS, faults))
    assert not [str(outcome) for outcome in outcomes if outcome.hung]
    expected = ["SUCCEEDED"] * (ATTEMPTS - ATTEMPTS // 10) + ["FAILED"] * (ATTEMPTS // 10)
    wrong = [str(o) for o, phase in zip(outcomes, expected, strict=True) if o.phase != phase]
    assert not wrong, "\n\n".join(wrong[:3])
    assert {len(outcome.attempts) for outcome in outcomes} == {1}
    assert len(vendor.jobs.all()) == ATTEMPTS
    assert not vendor.errors
    # It was worth it: everything that was scripted did happen.
    assert all(fault.hits for fault in scripted)
    assert sum(a.creates for o in outcomes for a in o.attempts) > 1.2 * ATTEMPTS


def test_what_nobody_waits_for_is_stopped(vendor: LocalBigQuery) -> None:
    """Creates that are cut short and tasks that are aborted leave no job that runs."""
    vendor.hold_jobs("RUNNING")
    faults = Faults(
        crash_during_create=0.3, crash_after_create=0.1, abort=1.0, abort_within_s=600.0
    )
    outcomes = asyncio.run(play(vendor, 60, faults, held=True))
    assert not [str(outcome) for outcome in outcomes if outcome.hung]
    metas = [a.resource_meta for o in outcomes for a in o.attempts if a.resource_meta]
    assert len(metas) > 30
    running = [job.job_id for job in vendor.jobs.all() if not job.done.is_set()]
    # An abort before propeller has stored the metadata reaches no agent, in Flyte neither.
    assert not [job_id for job_id in running if any(job_id.encode() in meta for meta in metas)]
    assert len(running) <= len(outcomes) - len(metas)
