"""Stories with a vendor behind HTTP and an agent in threads: the adapter of the conformance kit serves here too."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import urllib.error
import urllib.request

import pytest

from flyte_agent_core import (
    AsyncAgent,
    JobMeta,
    JobNotFound,
    Phase,
    PhaseTable,
    Resource,
    RetryableError,
)
from flyte_agent_testing.conformance import HoldingServer, ServerBackend
from flyte_agent_testing.server import Reply, ReplyError, route
from flyte_agent_testing.stories import (
    Mishap,
    Plan,
    Stage,
    Story,
    StoryFailed,
    Trouble,
    check_stories,
    play_checked,
)
from flyte_agent_testing.templates import task_template

PHASES = PhaseTable(
    {
        "runs": Phase.RUNNING,
        "done": Phase.SUCCEEDED,
        "failed": Phase.FAILED,
        "preempted": Phase.RETRYABLE_FAILED,
        "stopped": Phase.RETRYABLE_FAILED,
    },
    source="this file",
)
GENERATIONS = 4


class Works(HoldingServer):
    """Jobs with a state, started, seen and stopped over HTTP."""

    def __init__(self):
        super().__init__()
        self.states = {}

    @route("PUT", "/jobs/{job}")
    def start_job(self, request, job):
        created = job not in self.states
        self.states.setdefault(job, "runs")
        return Reply(201 if created else 409, {"state": self.states[job]})

    @route("GET", "/jobs/{job}")
    def see_job(self, request, job):
        if job not in self.states:
            raise ReplyError(Reply(404, {}))
        return Reply(200, {"state": self.states[job]})

    @route("DELETE", "/jobs/{job}")
    def stop_job(self, request, job):
        if job not in self.states:
            raise ReplyError(Reply(404, {}))
        if self.states[job] == "runs":
            self.states[job] = "stopped"
        return Reply(200, {})


class WorksBackend(ServerBackend):
    routes = {"create": ["start_job"], "get": ["see_job"], "delete": ["stop_job"]}

    def jobs(self):
        return list(self.server.states)

    def running(self):
        return [job for job, state in self.server.states.items() if state == "runs"]

    def finish(self, job):
        self.set_state(job, "done")

    def fail(self, job, message):
        self.set_state(job, "failed")

    def set_state(self, job, state):
        self.server.states[job] = state

    def forget(self, job):
        del self.server.states[job]

    def results(self, job):
        return self.server.states.get(job)


@dataclasses.dataclass(kw_only=True)
class WorksMeta(JobMeta):
    job: str


class WorksAgent(AsyncAgent[WorksMeta]):
    """Plain methods: they block, so they run in the agent's threads."""

    name = "Works Agent"
    task_type = "works"
    meta_type = WorksMeta
    url = ""
    generations = GENERATIONS

    def create(self, attempt):
        for generation in range(self.generations):
            job = attempt.job_id(generation)
            if self.call("PUT", job)["state"] != "stopped":
                return WorksMeta(job=job)
        raise RetryableError("every generation was stopped")

    def get(self, resource_meta):
        return Resource(phase=PHASES(self.call("GET", resource_meta.job)["state"]))

    def delete(self, resource_meta):
        self.call("DELETE", resource_meta.job)

    def undo_all(self, attempt):
        for generation in range(self.generations):
            self.call("DELETE", attempt.job_id(generation))

    async def undo(self, attempt):
        await self.blocking(self.undo_all, attempt)

    def links(self, resource_meta):
        return {"Works": f"{self.url}/jobs/{resource_meta.job}"}

    def call(self, method, job):
        request = urllib.request.Request(f"{self.url}/jobs/{job}", method=method, data=b"")
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    raise JobNotFound(job) from error
                if error.code == 409:
                    return json.load(error)
            raise RetryableError(f"HTTP {error.code}") from error
        except (OSError, ValueError) as error:
            raise RetryableError(str(error)) from error


@contextlib.contextmanager
def works():
    with Works() as server:
        yield WorksBackend(server)


def staged(agent_type):
    def agent(backend, clock):
        made = agent_type(clock=clock)
        made.url = backend.server.url
        return made

    return Stage(
        backend=works,
        agent=agent,
        task=task_template("works", custom={"size": 1}),
        evicted="preempted",
        patience_s=0.1,
    )


STORY = Story(
    tasks=(
        Plan(ends=("evicted", "finished"), retries=1),
        Plan(ends=("never",), abort_after_s=70.0),
    ),
    mishaps=(
        Mishap(kind="after-create"),
        Mishap(kind="after-delete"),
        Mishap(kind="rollout", nth=5),
    ),
    troubles=(Trouble(operation="delete", fault="throttled", times=2),),
    replicas=2,
    retry_unavailable=3,
)


def test_a_story_over_http():
    """Which of the two creates a crash cuts off depends on threads, what comes of it does not."""
    played = play_checked(staged(WorksAgent), STORY)

    assert [outcome.phase for outcome in played.outcomes] == ["SUCCEEDED", "ABORTED"]
    states = {fact.state for fact in played.truth.facts.values()}
    assert states == {"cancelled", "evicted", "finished"}


def test_random_stories_over_http():
    check_stories(staged(WorksAgent), examples=4, seed=5, max_tasks=2, max_faults=3)


def test_a_broken_agent_over_http():
    class StopsNothing(WorksAgent):
        def delete(self, resource_meta):
            return

    aborted = Story(tasks=(Plan(ends=("never",), abort_after_s=70.0),))
    with pytest.raises(StoryFailed, match="runs on after DeleteTask was answered"):
        play_checked(staged(StopsNothing), aborted)
