"""Inside the deadline, and never paid twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openai_support import answer_of, attempt_of, chat_custom

from flyte_agent_core import Phase, observe, rpc
from flyte_agent_openai_sync.agent import OpenAIAgent

Do = Callable[..., Any]


async def asked(agent: OpenAIAgent, attempt: Any, deadline_s: float = 30.0) -> Any:
    with rpc.serving(deadline_s):
        return await agent.do(attempt)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what the server's thread does."""
    while not condition():
        await asyncio.sleep(0)


def test_an_answer_that_comes_too_late_is_kept_for_the_next_attempt(
    vendor: Any, agent: OpenAIAgent, running: Any
) -> None:
    used: list[observe.Used] = []
    stop = observe.listen(
        lambda event: used.append(event) if isinstance(event, observe.Used) else None
    )

    async def scenario() -> Any:
        await asked(agent, attempt_of(node="warm-up"))
        used.clear()
        vendor.forget()
        vendor.hold("chat")
        late = await asked(agent, attempt_of(retry=0), deadline_s=0.5)
        vendor.release()
        await until(lambda: used)
        return late, await asked(agent, attempt_of(retry=1))

    late, again = running(scenario())
    stop()

    assert (late.phase, late.error_code) == (Phase.RETRYABLE_FAILED, "OPENAI.DEADLINE")
    assert "waiting for the answer of gpt-4.1-mini" in late.message
    assert answer_of(again) == "Say something."
    assert again.custom_info["kept_answer"]
    assert vendor.count("chat") == 1
    assert [event.figures["tokens"] > 0 for event in used] == [True, False], "counted once"


def test_a_repeated_attempt_joins_the_call_under_way(
    vendor: Any, agent: OpenAIAgent, running: Any
) -> None:
    async def scenario() -> Any:
        vendor.hold("chat")
        first = asyncio.ensure_future(asked(agent, attempt_of()))
        await until(lambda: vendor.held)
        second = asyncio.ensure_future(asked(agent, attempt_of()))
        await asyncio.sleep(0)
        first.cancel()
        vendor.release()
        return await second

    assert answer_of(running(scenario())) == "Say something."
    assert vendor.count("chat") == 1


def test_a_repeated_attempt_gets_the_answer_that_was_given(vendor: Any, do: Do) -> None:
    first, second = do(), do()

    assert answer_of(first) == answer_of(second)
    assert vendor.count("chat") == 1
    assert second.custom_info["total_tokens"] == 0, "it was counted when it was paid for"


def test_other_nodes_inputs_and_executions_ask_for_themselves(vendor: Any, do: Do) -> None:
    do()
    do(node="n1")
    do(execution="f2")
    do(project="other")
    do(inputs={"text": "Something else."})
    do(custom=chat_custom(config={"seed": 1}))

    assert vendor.count("chat") == 6


def test_a_local_run_asks_each_time(vendor: Any, agent: OpenAIAgent, running: Any) -> None:
    async def scenario() -> None:
        for number in range(2):
            attempt = attempt_of(execution="", prefix=f"/tmp/somewhere/raw/{number}")
            await asked(agent, attempt)

    running(scenario())
    assert vendor.count("chat") == 2


def test_a_failure_that_was_paid_is_not_paid_again_but_retried(vendor: Any, do: Do) -> None:
    from flyte_agent_openai_sync.local.script import Scripted

    vendor.script.say(Scripted(""))
    assert [do(retry=0).error_code, do(retry=0).error_code] == ["OPENAI.EMPTY_ANSWER"] * 2
    assert vendor.count("chat") == 1
    assert do(retry=1).phase is Phase.SUCCEEDED


def test_answers_are_kept_for_a_time_and_in_a_bounded_space(
    vendor: Any, do: Do, clock: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_KEEP_S", "60")
    do()
    clock.advance(61.0)
    do()
    assert vendor.count("chat") == 2
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_KEEP_MIB", "0.0001")
    do(node="n1")
    do(node="n1")
    assert vendor.count("chat") == 4
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_KEEP_S", "0")
    do(node="n2")
    do(node="n2")
    assert vendor.count("chat") == 6


def test_replicas_share_answers_in_a_store(
    vendor: Any, clock: Any, tmp_path: Path, monkeypatch: Any, running: Any
) -> None:
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_STORE", f"file://{tmp_path}")
    answers = [running(asked(OpenAIAgent(clock=clock), attempt_of())) for _ in range(2)]

    assert answer_of(answers[0]) == answer_of(answers[1])
    assert vendor.count("chat") == 1


@pytest.mark.parametrize("content", ["", "{", "null", '{"v": 99, "until_s": 1e12}'])
def test_a_store_that_is_broken_costs_an_answer_and_no_more(
    content: str, vendor: Any, clock: Any, tmp_path: Path, monkeypatch: Any, running: Any
) -> None:
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_STORE", str(tmp_path))
    running(asked(OpenAIAgent(clock=clock), attempt_of()))
    for path in tmp_path.glob("*/*.json"):
        path.write_text(content)

    assert answer_of(running(asked(OpenAIAgent(clock=clock), attempt_of()))) == "Say something."
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_STORE", "nonsense://nowhere")
    assert (
        answer_of(running(asked(OpenAIAgent(clock=clock), attempt_of(node="n1"))))
        == "Say something."
    )


def test_nothing_lingers_when_the_platform_says_so(
    vendor: Any, agent: OpenAIAgent, running: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_LINGER_S", "0")

    async def scenario() -> Any:
        vendor.hold("chat")
        answer = await asked(agent, attempt_of(), deadline_s=0.3)
        await until(lambda: not agent.desk.calls.under_way)
        return answer

    assert running(scenario()).phase is Phase.RETRYABLE_FAILED
