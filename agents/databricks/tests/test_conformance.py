"""The conformance kit on the agent: each rule of Flyte's protocol, and random stories of what goes wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from databricks.sdk import errors
from databricks.sdk.errors import DatabricksError
from databricks.sdk.errors.platform import ERROR_CODE_MAPPING, STATUS_CODE_MAPPING

from flyte_agent_databricks.agent import DatabricksAgent
from flyte_agent_databricks.api_errors import to_agent_error
from flyte_agent_databricks.local import LocalDatabricks
from flyte_agent_databricks.local.script import Scripted
from flyte_agent_databricks.local.states import FAILED, SUCCESS, Words, broken
from flyte_agent_databricks.phases import PHASES
from flyte_agent_testing.conformance import AsyncAgentConformance, HoldingServer, ServerBackend
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
    "unavailable": "TEMPORARILY_UNAVAILABLE",
    "throttled": "REQUEST_LIMIT_EXCEEDED",
    "denied": "PERMISSION_DENIED",
    "missing": "RESOURCE_DOES_NOT_EXIST",
}
ENDS = {"TERMINATED": SUCCESS, "INTERNAL_ERROR": broken("CLUSTER_ERROR", "spot", "CLOUD_FAILURE")}


class Held(HoldingServer, LocalDatabricks):
    """The workspace, with answers that can be kept back."""


class Runs(ServerBackend):
    """What the kit asks of the stand-in: runs that last until they are ended."""

    routes = {"create": ("runs.submit",), "get": ("runs.get",), "delete": ("runs.cancel",)}
    faults = {fault: {"reason": reason} for fault, reason in REASONS.items()}

    def jobs(self) -> list[str]:
        return [str(run_id) for run_id in list(self.server.store.runs)]

    def running(self) -> list[str]:
        return [
            str(run.run_id)
            for run in self.server.store.active()
            if run.words.life_cycle != "TERMINATING"
        ]

    def key_of(self, job: str) -> str:
        return str(self.server.run(job).token)

    def finish(self, job: str) -> None:
        self.server.end_run(job)

    def fail(self, job: str, message: str) -> None:
        self.server.end_run(job, Scripted.failing(message))

    def set_state(self, job: str, state: str) -> None:
        if state == "evicted":
            self.server.end_run(
                job, Scripted(broken("CLOUD_FAILURE", "The spot instance is gone", "CLOUD_FAILURE"))
            )
        else:
            self.server.set_words(job, ENDS.get(state, Words(state)))

    def forget(self, job: str) -> None:
        run = self.server.run(job)
        if not run.words.is_terminal:
            self.server.end_run(job)
        self.server.store.delete(run)

    def results(self, job: str) -> Any:
        run = self.server.store.runs.get(int(job))
        return run and run.words


def library_errors() -> list[Any]:
    """Every exception that databricks-sdk makes of an answer."""
    mapped = {*STATUS_CODE_MAPPING.values(), *ERROR_CODE_MAPPING.values()}
    codes = {cls: code for code, cls in ERROR_CODE_MAPPING.items()}
    made = [cls("said by the vendor", error_code=codes.get(cls)) for cls in mapped]
    return [*made, DatabricksError("said", error_code="A_NEW_CODE"), errors.DatabricksError("said")]


def spark(**custom: Any) -> Any:
    """Return the template of a run."""
    task = {
        "task_key": "main",
        "spark_jar_task": {"main_class_name": "Main"},
        "existing_cluster_id": "0101-000000-local000",
    }
    return task_template(
        "databricks_job", custom={"submit": {"tasks": [task]}, "repair": False, **custom}
    )


@pytest.fixture
def held_vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with Held() as server:
        server.script.add(Scripted(), kind="spark_jar_task")
        server.hold_runs("RUNNING")
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", server.token)
        yield server


class TestDatabricksConformance(AsyncAgentConformance):
    agent_type = DatabricksAgent
    plugin_module, vendor_modules = "flyte_agent_databricks.plugin", ("databricks.sdk",)
    phases, vendor_states = PHASES, PHASES.states
    vendor_errors, error_of = library_errors(), staticmethod(to_agent_error)
    recorded_metas = Path(__file__).parent / "metas"

    @pytest.fixture
    def backend(self, held_vendor: Any) -> Runs:
        return Runs(held_vendor)

    @pytest.fixture
    def task(self) -> Any:
        return create_request(spark())

    @pytest.fixture
    def carrying(self) -> Any:
        def carry(value: Any) -> Any:
            task: dict[str, Any] = {
                "task_key": "main",
                "existing_cluster_id": "0101-000000-local000",
            }
            if isinstance(value, str):
                # Not a parameter: in those Databricks itself replaces what stands in braces.
                said = {**task, "spark_jar_task": {"main_class_name": "Main"}, "description": value}
                return create_request(spark(submit={"tasks": [said]}))
            loop = {
                **task,
                "spark_jar_task": {"main_class_name": "Main"},
                "min_retry_interval_millis": str(value),
            }
            return create_request(spark(submit={"tasks": [loop]}))

        return carry

    @pytest.fixture
    def broken_tasks(self) -> Any:
        mistakes = {"timeout_s": {"timeout_s": "soon"}, "submitt": {"submitt": {}}}
        return {word: create_request(spark(**custom)) for word, custom in mistakes.items()}


@pytest.fixture
def stage(held_vendor: Any) -> Stage:
    """Databricks' API over HTTP, the agent, and a propeller for each story; the server stays."""

    @contextlib.contextmanager
    def emptied() -> Iterator[Runs]:
        for run in held_vendor.store.active():
            held_vendor.flow.cancel(run, FAILED)
        for kept in ("runs", "tasks", "_tokens", "_order", "_active"):
            getattr(held_vendor.store, kept).clear()
        held_vendor.faults.clear()
        held_vendor.forget()
        yield Runs(held_vendor)

    return Stage(
        backend=emptied,
        agent=lambda backend, clock: DatabricksAgent(clock=clock),
        task=spark(on_code_failure="fail"),  # by itself what failed may be tried again
        refused=spark(timeout_s="soon"),
        evicted="evicted",
        patience_s=0.1,
    )


def test_whatever_happens_every_attempt_is_one_run(stage: Stage) -> None:
    check_stories(stage, examples=8, max_tasks=2, seed=20260101)


def test_crashes_lost_answers_and_an_eviction_are_two_attempts_and_two_runs(stage: Stage) -> None:
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

    assert [outcome.phase for outcome in played.outcomes] == ["SUCCEEDED"], played.transcript
    ended = [fact.state for fact in played.truth.facts.values() if fact.state != "cancelled"]
    assert sorted(ended) == ["evicted", "finished"]
