"""Many running runs cost few calls, and each still gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_databricks.agent import DatabricksAgent
from flyte_agent_databricks.local.script import Scripted
from flyte_agent_databricks.meta import DatabricksJobMeta
from flyte_agent_databricks.rounds import LIST_FROM, PAGE, slices_of
from flyte_agent_testing.server import FakeServer, Reply, Request, route
from flyte_agent_testing.templates import task_template

MANY = 60


@pytest.fixture(autouse=True)
def held(vendor: Any) -> None:
    vendor.script.add(Scripted(), kind="spark_jar_task")
    vendor.hold_runs("RUNNING")


def agent() -> DatabricksAgent:
    made = DatabricksAgent()
    made.poll_fresh_s = 5.0
    return made


def create(databricks: DatabricksAgent, number: int) -> list[DatabricksJobMeta]:
    task = {
        "task_key": "a",
        "spark_jar_task": {"main_class_name": "M"},
        "existing_cluster_id": "0101-000000-local000",
    }
    template = task_template("databricks_job", custom={"submit": {"tasks": [task]}})

    async def all_of_them() -> list[DatabricksJobMeta]:
        calls = ({"task_template": template, "output_prefix": f"s3://b/{n}"} for n in range(number))
        return [await databricks.create(**call) for call in calls]

    return asyncio.run(all_of_them())


def poll(databricks: DatabricksAgent, metas: list[DatabricksJobMeta]) -> list[Any]:
    async def at_once() -> list[Any]:
        return await asyncio.gather(*(databricks.get(resource_meta=meta) for meta in metas))

    return asyncio.run(at_once())


def test_running_runs_are_read_from_the_list(vendor: Any) -> None:
    metas = create(agent(), MANY)
    vendor.forget()

    answers = poll(agent(), metas)

    assert {answer.phase for answer in answers} == {Phase.RUNNING}
    assert vendor.counts()["runs.list"] == -(-MANY // PAGE)
    assert vendor.counts().get("runs.get", 0) == 0
    assert {answer.custom_info["run_id"] for answer in answers} == {meta.run_id for meta in metas}


def test_what_the_list_lacks_has_ended_and_is_asked_for(vendor: Any) -> None:
    metas = create(agent(), MANY)
    for meta in metas[:3]:
        vendor.end_run(meta.run_id)
        vendor.run(meta.run_id).done.wait(10)
    vendor.forget()

    answers = poll(agent(), metas)

    assert [answer.phase for answer in answers[:3]] == [Phase.SUCCEEDED] * 3
    assert {answer.phase for answer in answers[3:]} == {Phase.RUNNING}
    assert vendor.counts()["runs.get"] == 3


def test_few_runs_are_asked_for_one_by_one(vendor: Any) -> None:
    metas = create(agent(), LIST_FROM - 1)
    vendor.forget()

    poll(agent(), metas)

    assert vendor.counts().get("runs.list", 0) == 0


def test_a_list_that_cannot_be_had_costs_only_calls(vendor: Any) -> None:
    metas = create(agent(), 10)
    vendor.faults.add("runs.list", status=403, reason="PERMISSION_DENIED", times=None)

    assert {answer.phase for answer in poll(agent(), metas)} == {Phase.RUNNING}


def test_an_answer_serves_for_a_while(vendor: Any) -> None:
    databricks = agent()
    metas = create(databricks, 10)
    vendor.forget()

    async def twice() -> None:
        for some in (metas[:8], metas[8:]):
            await asyncio.gather(*(databricks.get(resource_meta=meta) for meta in some))

    asyncio.run(twice())

    assert sum(count for name, count in vendor.counts().items() if name.startswith("runs.")) <= 3


class Crowded(FakeServer):
    """A workspace with many active runs, most of them somebody else's."""

    def __init__(self, ids: list[int], ours: int) -> None:
        super().__init__()
        self.ids, self.ours = ids, set(ids[:ours])

    @route("GET", "/.well-known/databricks-config", inline=True)
    def config(self, request: Request) -> Reply:
        return Reply(404, {})

    @route("GET", "/api/2.2/jobs/runs/list", inline=True)
    def list(self, request: Request) -> Reply:
        low, high = (
            int(request.query.get(n, d))
            for n, d in (("start_time_from", 0), ("start_time_to", 2**62))
        )
        before = int(request.query.get("page_token", 2**62))
        found = [n for n in self.ids if low <= n <= high and n < before][: PAGE + 1]
        page = [_run(n) for n in found[:PAGE]]
        more = {"next_page_token": str(found[PAGE - 1])} if len(found) > PAGE else {}
        return Reply(200, {"runs": page, **more})

    @route("GET", "/api/2.2/jobs/runs/get", inline=True)
    def get(self, request: Request) -> Reply:
        return Reply(200, _run(int(request.query["run_id"])))


def _run(number: int) -> dict[str, Any]:
    return {"run_id": number, "start_time": number, "state": {"life_cycle_state": "RUNNING"}}


def metas_of(ids: Any) -> list[DatabricksJobMeta]:
    return [DatabricksJobMeta(run_id=str(n), start_ms=n) for n in ids]


def test_ten_thousand_runs_are_four_hundred_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = list(range(2_000_000, 1_000_000, -100))
    with Crowded(ids, len(ids)) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "canary-token")
        monkeypatch.setenv("FLYTE_AGENT_DATABRICKS_CALLS_PER_S", "5000")
        databricks = agent()
        answers = asyncio.run(databricks.get_many(metas_of(ids)))
        calls = server.counts()

    assert len(ids) == 10_000 == len(answers)
    assert {answer.phase for answer in answers} == {Phase.RUNNING}
    assert calls["list"] <= 400
    assert calls.get("get", 0) == 0


def test_other_peoples_runs_do_not_make_it_dear(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = list(range(2_000_000, 1_000_000, -100))
    with Crowded(ids, len(ids)) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "canary-token")
        answers = asyncio.run(agent().get_many(metas_of(ids[-10:])))
        calls = server.counts()

    assert {answer.phase for answer in answers} == {Phase.RUNNING}
    assert calls["list"] <= 4
    assert calls.get("get", 0) <= 10


def test_slices_have_no_gaps_and_whole_pages() -> None:
    made = slices_of(metas_of(range(1000, 1_001_000, 1000)))

    assert (made[0].to_ms, made[-1].from_ms) == (1_000_000, 1000)
    assert [later.from_ms for later in made[:-1]] == [earlier.to_ms + 1 for earlier in made[1:]]
    assert all(len(part.wanted) % PAGE == 0 for part in made)
    assert sum(len(part.wanted) for part in made) == 1000


def test_runs_of_one_moment_are_one_slice() -> None:
    (made, *empty) = slices_of(metas_of([5_000_000] * 1) * 20)

    assert (made.from_ms, made.to_ms, empty) == (5_000_000, 5_000_000, [])


def test_what_only_our_clock_knows_may_be_a_minute_off() -> None:
    (made,) = slices_of([DatabricksJobMeta(run_id="1", created_s=5_000.0)])

    assert (made.from_ms, made.to_ms) == (4_940_000, 5_060_000)


@pytest.fixture
def crowded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Crowded]:
    """A thousand runs, all ours."""
    ids = list(range(1_100_000, 1_000_000, -100))
    with Crowded(ids, len(ids)) as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", "canary-token")
        yield server


def test_some_runs_in_the_middle_are_found_where_they_are(crowded: Crowded) -> None:
    asyncio.run(agent().get_many(metas_of(crowded.ids[500:600])))

    assert crowded.counts()["list"] <= 5
    assert crowded.counts().get("get", 0) == 0


def test_a_few_runs_far_apart_are_asked_for(crowded: Crowded) -> None:
    """Pages of ours that nobody asks for now are no reason to read on."""
    databricks = agent()
    databricks.poll_fresh_s = 0.0

    async def all_and_then_some() -> None:
        await databricks.get_many(metas_of(crowded.ids))
        crowded.forget()
        await databricks.get_many(metas_of(crowded.ids[::200]))

    asyncio.run(all_and_then_some())
    assert crowded.counts()["list"] <= 3
    assert crowded.counts().get("get", 0) <= 5


def test_a_service_just_started_lists_what_comes_once(crowded: Crowded) -> None:
    databricks = agent()

    async def one_lot_after_the_other() -> None:
        for start in range(0, 1000, 100):
            await databricks.get_many(metas_of(crowded.ids[start : start + 100]))
        await databricks.get_many(metas_of(crowded.ids))

    asyncio.run(one_lot_after_the_other())
    assert crowded.counts()["list"] <= 50
    assert crowded.counts().get("get", 0) == 0
