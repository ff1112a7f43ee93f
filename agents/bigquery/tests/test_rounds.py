"""Many running jobs cost few calls, and each still gets its own answer."""

from __future__ import annotations

import asyncio

import pytest

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_bigquery.local import LocalBigQuery
from flyte_agent_bigquery.meta import BigQueryJobMeta
from flyte_agent_bigquery.rounds import LIST_FROM
from flyte_agent_core import Phase
from flyte_agent_testing.templates import task_template

MANY = 60


@pytest.fixture
def vendor(monkeypatch):
    with LocalBigQuery() as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        yield server


def agent() -> BigQueryAgent:
    made = BigQueryAgent()
    made.poll_fresh_s = 5.0
    return made


def create(bigquery: BigQueryAgent, number: int) -> list[BigQueryJobMeta]:
    async def all_of_them() -> list[BigQueryJobMeta]:
        return [await bigquery.create(**_call(n)) for n in range(number)]

    return asyncio.run(all_of_them())


def _call(n: int) -> dict[str, object]:
    custom = {"kind": "query", "project": "local", "result": "scalar"}
    template = task_template(
        "bigquery_job", custom=custom, sql=f"SELECT {n} AS n", outputs={"results": int}
    )
    return {"task_template": template, "output_prefix": f"s3://b/{n}"}


def poll(bigquery: BigQueryAgent, metas: list[BigQueryJobMeta]):
    async def at_once():
        return await asyncio.gather(*(bigquery.get(resource_meta=meta) for meta in metas))

    return asyncio.run(at_once())


def test_running_jobs_are_read_from_the_list(vendor):
    vendor.hold_jobs("RUNNING")
    metas = create(agent(), MANY)
    vendor.forget()
    answers = poll(agent(), metas)
    assert {a.phase for a in answers} <= {Phase.RUNNING, Phase.INITIALIZING}
    assert all(a.links for a in answers)
    assert vendor.counts() == {"jobs.list": 1}


def test_finished_jobs_bring_their_own_outputs(vendor):
    metas = create(agent(), MANY)
    for meta in metas:
        vendor.job(meta.job_id).done.wait(30)
    vendor.forget()
    answers = poll(agent(), metas)
    found = [a.outputs.literals["results"].scalar.primitive.integer for a in answers]
    assert found == list(range(MANY))
    assert vendor.count("jobs.get") == 0


def test_the_answers_are_those_of_single_polls(vendor):
    vendor.hold_jobs("RUNNING")
    metas = create(agent(), LIST_FROM + 2)
    vendor.finish(metas[0].job_id)
    vendor.finish(metas[1].job_id, error=("invalidQuery", "no such column"))
    together = poll(agent(), metas)
    alone = [poll(agent(), [meta])[0] for meta in metas]
    assert [a.phase for a in together] == [a.phase for a in alone]
    assert [a.message for a in together][:2] == [a.message for a in alone][:2]
    assert together[0].phase is Phase.SUCCEEDED
    assert together[1].phase is Phase.FAILED


def test_few_jobs_are_asked_for_by_themselves(vendor):
    vendor.hold_jobs("RUNNING")
    metas = create(agent(), LIST_FROM - 1)
    vendor.forget()
    poll(agent(), metas)
    assert vendor.counts() == {"jobs.get": LIST_FROM - 1}


def test_a_list_that_is_refused_is_no_poll_that_failed(vendor):
    vendor.hold_jobs("RUNNING")
    metas = create(agent(), LIST_FROM)
    vendor.forget()
    vendor.faults.add("jobs.list", status=403, reason="accessDenied", times=None)
    answers = poll(agent(), metas)
    assert {a.phase for a in answers} <= {Phase.RUNNING, Phase.INITIALIZING}
    assert not any("cannot see" in (a.message or "") for a in answers)
    assert vendor.count("jobs.get") == LIST_FROM


def test_a_busy_account_is_not_listed_for_ever(vendor):
    """Others' jobs fill the list; after a page or two each job is asked for by itself."""
    vendor.hold_jobs("RUNNING")
    metas = create(agent(), LIST_FROM)
    strangers = [
        BigQueryJobMeta(job_id=f"gone-{n}", project="local", location="US") for n in range(3)
    ]
    vendor.forget()
    answers = poll(agent(), [*metas, *strangers])
    assert vendor.count("jobs.list") <= 2
    assert all("not known" in a.message for a in answers[-3:])


def test_groups_keep_accounts_apart():
    bigquery = BigQueryAgent()
    first = BigQueryJobMeta(job_id="a", project="p", credentials="one")
    second = BigQueryJobMeta(job_id="b", project="p", credentials="two")
    third = BigQueryJobMeta(job_id="c", project="q", credentials="one")
    assert len({bigquery.poll_group(meta) for meta in (first, second, third)}) == 3
