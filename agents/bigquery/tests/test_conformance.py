"""The conformance kit on the agent's jobs: each rule of Flyte's protocol, and random stories of what goes wrong."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_bigquery.api_errors import to_agent_error
from flyte_agent_bigquery.phases import PHASES
from flyte_agent_testing.conformance import AsyncAgentConformance, ServerBackend
from flyte_agent_testing.stories import (
    Mishap,
    Plan,
    Stage,
    Story,
    Trouble,
    check_stories,
    play_checked,
)
from flyte_agent_testing.templates import create_request, task_template

REASONS = {
    "unavailable": "backendError",
    "throttled": "rateLimitExceeded",
    "denied": "accessDenied",
    "missing": "notFound",
}


class Jobs(ServerBackend):
    """What the kit asks of the stand-in."""

    routes = {"create": ("insert",), "get": ("get",), "delete": ("cancel",)}
    faults = {fault: {"reason": reason} for fault, reason in REASONS.items()}

    def jobs(self) -> list[str]:
        return list(self.server.jobs)

    def running(self) -> list[str]:
        jobs = self.server.jobs.items()
        return [
            name
            for name, job in jobs
            if job["status"]["state"] != "DONE" and "_stops_after" not in job
        ]

    def finish(self, job: str) -> None:
        self.set_state(job, "DONE")

    def fail(self, job: str, message: str) -> None:
        self.end(job, {"reason": "invalidQuery", "message": message})

    def set_state(self, job: str, state: str) -> None:
        if (
            state in REASONS.values()
        ):  # how BigQuery says that it gave a job up: DONE, with a reason
            self.end(job, {"reason": state, "message": "Retrying the job may solve the problem."})
            return
        self.server.jobs[job]["status"] = {"state": state}
        if state == "DONE":
            statistics = self.server.jobs[job].setdefault("statistics", {})
            statistics["query"] = {"statementType": "SELECT"}

    def end(self, job: str, error: dict[str, str]) -> None:
        self.server.jobs[job]["status"] = {"state": "DONE", "errorResult": error}

    def forget(self, job: str) -> None:
        del self.server.jobs[job]

    def results(self, job: str) -> Any:
        return self.server.jobs.get(job, {}).get("status")


def library_errors() -> list[Any]:
    """Every exception that the vendor's library maps an HTTP status to."""
    found = vars(exceptions).values()
    kinds = [
        c for c in found if inspect.isclass(c) and issubclass(c, exceptions.GoogleAPICallError)
    ]
    return [kind("said by the vendor") for kind in kinds if kind.code]


def query(sql: str = "SELECT 1", **custom: Any) -> Any:
    """Return the template of a query."""
    said = {"kind": "query", "project": "p-1", **custom}
    return task_template("bigquery_job", sql=sql, custom=said)


class TestBigQueryConformance(AsyncAgentConformance):
    agent_type = BigQueryAgent
    plugin_module, vendor_modules = "flyte_agent_bigquery.plugin", ("google.cloud.bigquery",)
    phases, vendor_states = PHASES, frozenset({"PENDING", "RUNNING", "DONE"})
    vendor_errors, error_of = library_errors(), staticmethod(to_agent_error)
    recorded_metas = Path(__file__).parent / "metas" / "job"

    @pytest.fixture
    def backend(self, held_vendor: Any) -> Jobs:
        return Jobs(held_vendor)

    @pytest.fixture
    def task(self) -> Any:
        return create_request(query())

    @pytest.fixture
    def carrying(self) -> Any:
        def carry(value: Any) -> Any:
            if isinstance(value, str):
                return create_request(query(sql=value))
            limit = {"query": {"maximumBytesBilled": str(value)}}
            return create_request(query(configuration=limit))

        return carry

    @pytest.fixture
    def broken_tasks(self) -> Any:
        mistakes = {"rows_max": {"rows_max": "rows"}, "locaton": {"locaton": "EU"}}
        return {word: create_request(query(**custom)) for word, custom in mistakes.items()}


@pytest.fixture
def stage(held_vendor: Any) -> Stage:
    """BigQuery's jobs API over HTTP, the agent, and a propeller for each story; the server stays."""

    @contextlib.contextmanager
    def emptied() -> Iterator[Jobs]:
        held_vendor.jobs.clear()
        held_vendor.faults.clear()
        held_vendor.forget()
        yield Jobs(held_vendor)

    return Stage(
        backend=emptied,
        agent=lambda backend, clock: BigQueryAgent(clock=clock),
        task=query(),
        refused=query(rows_max="rows"),
        evicted="backendError",
        patience_s=0.1,
    )


def test_whatever_happens_every_attempt_is_one_job(stage: Stage) -> None:
    check_stories(stage, examples=8, max_tasks=2, seed=20260101)


def test_crashes_lost_answers_and_an_eviction_are_two_attempts_and_two_jobs(stage: Stage) -> None:
    story = Story(
        tasks=(Plan(ends=("evicted", "finished"), retries=1),),
        mishaps=(
            Mishap(kind="after-create"),
            Mishap(kind="during-create", nth=1),
            Mishap(kind="killed", nth=4),
        ),
        troubles=(
            Trouble(operation="create", fault="lost"),
            Trouble(operation="get", fault="throttled", at_s=12.0, times=6),
            Trouble(operation="delete", fault="unavailable", times=2),
        ),
        replicas=2,
        retry_unavailable=3,
    )

    played = play_checked(stage, story)

    assert [outcome.phase for outcome in played.outcomes] == ["SUCCEEDED"]
    ended = [fact.state for fact in played.truth.facts.values() if fact.state != "cancelled"]
    assert sorted(ended) == ["evicted", "finished"]
