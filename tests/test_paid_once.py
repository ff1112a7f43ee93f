"""
No question is paid twice on one replica, and no answer is lost: real gRPC, the real SDK, propeller misbehaving.

Time is virtual; the clock stands still while the stand-in answers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from flyte_agent_openai_sync.agent import OpenAIAgent
from flyte_agent_openai_sync.local import LocalOpenAI
from flyte_agent_server.catalogue import Catalogue
from flyte_agent_server.service import AgentService
from flyte_agent_server.settings import Settings
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.propeller import Faults, Outcome, SimulatedPropeller, TaskRun
from flyte_agent_testing.templates import task_template

TASKS = 60
QUIET = Settings(host="127.0.0.1", port=0, metrics_port=None, grace_s=30.0, ready_at_start=True)


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Any:
    """OpenAI on this machine, and an agent that finds it."""
    with LocalOpenAI() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "local-stand-in")
        yield server
        assert not server.errors


def question(number: int, retries: int = 8) -> TaskRun:
    """Ask something that nobody else asks."""
    custom = {
        "kind": "chat",
        "config": {"model": "gpt-4.1-mini"},
        "messages": [{"role": "user", "text": "{text}"}],
    }
    template = task_template(
        "openai_sync", custom=custom, inputs={"text": str}, outputs={"answer": str}
    )
    return TaskRun(template=template, inputs={"text": f"Question {number}."}, retries=retries)


async def play(vendor: LocalOpenAI, faults: Faults, **options: Any) -> list[Outcome]:
    """Run tasks through the service while propeller does its worst."""
    clock = FakeClock()
    agent = OpenAIAgent(clock=clock)
    service, ready = AgentService(Catalogue([agent]), QUIET), asyncio.Event()
    service.when_ready = ready.set
    async with (
        service as running,
        SimulatedPropeller(
            f"127.0.0.1:{running.port}", clock=clock, faults=faults, seed=7, **options
        ) as propeller,
    ):
        await ready.wait()  # what the agent imports takes real time
        with clock.hold_while(lambda: agent.desk.in_flight > 0):
            outcomes = await propeller.run_many([question(n) for n in range(TASKS)])
        assert not propeller.violations
    return outcomes


def expect_paid_once(vendor: LocalOpenAI, outcomes: list[Outcome]) -> None:
    """Go on if each task has its own answer, and each question was asked once."""
    assert not [str(outcome) for outcome in outcomes if not outcome.succeeded]
    asked = Counter(r.json["messages"][0]["content"] for r in vendor.requests if r.route == "chat")
    assert asked == {f"Question {number}.": 1 for number in range(TASKS)}
    for number, outcome in enumerate(outcomes):
        said = outcome.outputs.literals["answer"].scalar.primitive.string_value
        assert said == f"Question {number}."


@pytest.mark.parametrize("flyte", [1, 2])
def test_a_question_is_paid_once_however_often_flyte_repeats_it(
    vendor: LocalOpenAI, flyte: int
) -> None:
    """Flyte 1 calls it as a sync task; Flyte 2 has none, and takes the answer from the metadata."""
    faults = Faults(round_lost=0.3, lost_answer=0.2, crash_after_create=0.2)
    options = {"flyte": 2, "supported_task_types": ["openai_sync"]} if flyte == 2 else {}
    outcomes = asyncio.run(play(vendor, faults, **options))

    expect_paid_once(vendor, outcomes)
