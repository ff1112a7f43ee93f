"""Many running jobs cost few calls, and each still gets its own answer."""

from __future__ import annotations

import asyncio

import pytest

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_bigquery.local import LocalBigQuery
from flyte_agent_bigquery.meta import BigQueryJobMeta
from flyte_agent_bigquery.rounds import LIST_FROM
from flyte_agent_core import Phase
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.server import FakeServer, Reply, Request, route
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


def poll_in_turn(bigquery: BigQueryAgent, *waves: list[BigQueryJobMeta]):
    async def in_turn():
        answers = []
        for metas in waves:
            answers += await asyncio.gather(*(bigquery.get(resource_meta=m) for m in metas))
        return answers

    return asyncio.run(in_turn())


def test_a_service_that_was_just_started_reads_the_list_once(vendor):
    """It gets to know its jobs poll by poll; the pages show more than was asked for."""
    vendor.hold_jobs("RUNNING")
    metas = create(agent(), 4 * LIST_FROM)
    vendor.forget()
    waves = [metas[n::4] for n in range(4)]
    answers = poll_in_turn(agent(), *waves)
    assert {a.phase for a in answers} <= {Phase.RUNNING, Phase.INITIALIZING}
    assert vendor.counts() == {"jobs.list": 1}


def test_few_jobs_that_the_list_has_shown_are_not_asked_for(vendor):
    """They come one after the other when polls are spread, and each would cost a request."""
    vendor.hold_jobs("RUNNING")
    metas = create(agent(), 2 * LIST_FROM)
    vendor.forget()
    answers = poll_in_turn(agent(), metas[:LIST_FROM], *([meta] for meta in metas[LIST_FROM:]))
    assert {a.phase for a in answers} <= {Phase.RUNNING, Phase.INITIALIZING}
    assert vendor.counts() == {"jobs.list": 1}


def test_jobs_made_after_the_list_was_read_are_asked_for(vendor):
    vendor.hold_jobs("RUNNING")
    bigquery = agent()
    metas = create(bigquery, LIST_FROM)

    async def scenario():
        await asyncio.gather(*(bigquery.get(resource_meta=meta) for meta in metas))
        vendor.forget()
        new = await bigquery.create(**_call(LIST_FROM))
        return await bigquery.get(resource_meta=new)

    answer = asyncio.run(scenario())
    assert answer.phase in {Phase.RUNNING, Phase.INITIALIZING}
    assert vendor.count("jobs.list") == 0
    assert vendor.count("jobs.get") == 1


def test_answers_used_once_keep_no_list(vendor):
    vendor.hold_jobs("RUNNING")
    bigquery = agent()
    bigquery.poll_fresh_s = 0.0
    metas = create(bigquery, LIST_FROM)
    vendor.forget()
    poll_in_turn(bigquery, metas, metas)
    assert vendor.count("jobs.list") == 2


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


PAGES, PAGE = 8, 20


class Paged(FakeServer):
    """Many running jobs on small pages."""

    @route("GET", "/bigquery/v2/projects/{project}/jobs/{job_id}", inline=True)
    def get_job(self, request: Request, project: str, job_id: str) -> Reply:
        return Reply(200, running(project, job_id))

    @route("GET", "/bigquery/v2/projects/{project}/jobs", inline=True)
    def list_jobs(self, request: Request, project: str) -> Reply:
        number = int(request.query.get("pageToken", 0))
        more = {"nextPageToken": str(number + 1)} if number + 1 < PAGES else {}
        jobs = [running(project, f"j{n}") for n in range(number * PAGE, (number + 1) * PAGE)]
        return Reply(200, {"jobs": jobs, **more})


def running(project: str, job_id: str) -> dict[str, object]:
    reference = {"projectId": project, "jobId": job_id, "location": "US"}
    return {"jobReference": reference, "status": {"state": "RUNNING"}, "configuration": {}}


def test_as_many_pages_as_were_worth_it_are_read_at_once(monkeypatch):
    """Few jobs on the last pages: the list before has shown that the pages are needed soon."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    clock = FakeClock()
    with Paged() as vendor:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", vendor.url)
        bigquery = BigQueryAgent(clock=clock)
        bigquery.poll_fresh_s = 5.0
        last = [
            BigQueryJobMeta(job_id=f"j{n}", project="p", location="US", created_s=clock.time())
            for n in range(PAGES * PAGE)
        ]

        async def scenario():
            await asyncio.gather(*(bigquery.get(resource_meta=meta) for meta in last))
            vendor.forget()
            await clock.sleep(400)  # the jobs are forgotten, the list is old
            await asyncio.gather(*(bigquery.get(resource_meta=m) for m in last[-LIST_FROM:]))

        asyncio.run(scenario())
        assert vendor.counts() == {"list_jobs": PAGES}
