"""Requests that are refused, repeated, counted and held to ceilings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from openai_support import attempt_of, chat_custom

from flyte_agent_core import Phase
from flyte_agent_openai_sync.agent import OpenAIAgent

Do = Callable[..., Any]


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500}, {"status": 503}, {"status": 408}, {"status": 409}, {"drop_connection": True},
        {"status": 429, "headers": {"retry-after": "1"}}, {"status": 429, "reason": "slow_down"},
    ],
    ids=str,
)  # fmt: skip
def test_what_may_pass_is_asked_again(fault: dict[str, Any], vendor: Any, do: Do) -> None:
    vendor.faults.add("chat", times=2, **fault)
    resource = do()

    assert resource.phase is Phase.SUCCEEDED, resource.message
    assert vendor.count("chat") == 3
    assert resource.custom_info["retries"] == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 415, 422])
def test_what_cannot_pass_is_asked_once(status: int, vendor: Any, do: Do) -> None:
    vendor.faults.add("chat", status=status, message="said so", times=None)
    resource = do()

    assert resource.phase is Phase.FAILED
    assert "said so" in resource.message
    assert f"HTTP {status}, request req_fault" in resource.message
    assert vendor.count("chat") == 1


def test_the_server_may_forbid_to_ask_again(vendor: Any, do: Do) -> None:
    vendor.faults.add("chat", status=500, headers={"x-should-retry": "false"})
    assert do().phase is Phase.RETRYABLE_FAILED
    assert vendor.count("chat") == 1


def test_a_wait_beyond_the_deadline_is_told(vendor: Any, do: Do) -> None:
    vendor.faults.add("chat", status=429, headers={"retry-after": "90"})
    resource = do(deadline_s=20.0)

    assert (resource.phase, resource.error_code) == (
        Phase.RETRYABLE_FAILED,
        "OPENAI.RATE_LIMIT_EXCEEDED",
    )
    assert "The server asks to wait 90 s." in resource.message
    assert vendor.count("chat") == 1


def test_the_wait_the_server_asks_for_is_kept(vendor: Any, do: Do, clock: Any) -> None:
    vendor.faults.add("chat", status=429, headers={"retry-after-ms": "12000"})
    before_s = clock.monotonic()
    do()

    assert clock.monotonic() - before_s >= 12.0


def test_there_is_an_end_to_asking_again(vendor: Any, do: Do) -> None:
    vendor.faults.add("chat", status=503, times=None)
    assert do().phase is Phase.RETRYABLE_FAILED
    assert vendor.count("chat") == 6


QUOTA = (
    "insufficient_quota", "credit_balance_exhausted", "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded", "organization_usage_limit_exceeded", "billing_hard_limit_reached",
)  # fmt: skip


@pytest.mark.parametrize("code", QUOTA)
def test_a_quota_that_is_used_up_is_final_and_the_credential_rests(
    code: str, vendor: Any, do: Do, clock: Any
) -> None:
    vendor.faults.add("chat", status=429, reason=code, message="no money")
    first, second = do(node="n0"), do(node="n1")

    assert (first.phase, first.error_code) == (Phase.FAILED, f"OPENAI.{code.upper()}")
    assert (second.phase, second.error_code) == (Phase.FAILED, f"OPENAI.{code.upper()}")
    assert "not asked: 300 s more" in second.message
    assert vendor.count("chat") == 1
    clock.advance(301.0)
    assert do(node="n2").phase is Phase.SUCCEEDED
    assert do(node="n3").phase is Phase.SUCCEEDED


def test_another_credential_does_not_rest(vendor: Any, do: Do, monkeypatch: Any) -> None:
    monkeypatch.setenv("_FSEC_OTHER", "sk-other-00000000")
    vendor.faults.add("chat", status=429, reason="insufficient_quota")
    do()
    assert do(custom=chat_custom(config={"credentials": "other"})).phase is Phase.SUCCEEDED


def test_after_its_rest_one_request_tries_and_the_others_wait_for_it(
    vendor: Any, do: Do, clock: Any
) -> None:
    vendor.faults.add("chat", status=429, reason="insufficient_quota", times=2)
    do(node="n0")
    clock.advance(301.0)
    do(node="n1")
    do(node="n2")
    assert vendor.count("chat") == 2


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"max_tokens": 20}, "max_tokens"),
        ({"max_usd": 0.000001}, "max_usd"),
        ({"max_tokens_per_execution": 20}, "max_tokens_per_execution"),
        ({"max_usd_per_execution": 0.000001}, "max_usd_per_execution"),
    ],
)
def test_a_call_above_a_ceiling_is_not_made(config: Any, field: str, vendor: Any, do: Do) -> None:
    resource = do(custom=chat_custom(config=config))

    assert (resource.phase, resource.error_code) == (Phase.FAILED, "OPENAI.OVER_BUDGET")
    assert resource.message.startswith(f"{field}: ")
    assert vendor.count("chat") == 0


def test_earlier_tasks_of_the_execution_count(vendor: Any, do: Do) -> None:
    config = {"max_tokens_per_execution": 80, "max_output_tokens": 50}
    assert do(custom=chat_custom(config=config), node="n0").phase is Phase.SUCCEEDED
    inputs = {"text": "A longer one with many words, so that it does not fit any more at all."}
    assert (
        do(custom=chat_custom(config=config), node="n1", inputs=inputs).error_code
        == "OPENAI.OVER_BUDGET"
    )
    other = do(custom=chat_custom(config=config), node="n1", execution="f2")
    assert other.phase is Phase.SUCCEEDED


@pytest.mark.parametrize("unit", ["USD", "TOKENS"])
def test_the_platform_has_ceilings_too(unit: str, vendor: Any, do: Do, monkeypatch: Any) -> None:
    monkeypatch.setenv(f"FLYTE_AGENT_OPENAI_MAX_{unit}_PER_EXECUTION", "0.00001")
    resource = do()
    assert resource.error_code == "OPENAI.OVER_BUDGET"
    assert f"FLYTE_AGENT_OPENAI_MAX_{unit}_PER_EXECUTION" in resource.message


def test_a_ceiling_in_dollars_needs_a_price(vendor: Any, do: Do, monkeypatch: Any) -> None:
    vendor.models["llama"] = 1000
    config = {"model": "llama", "max_usd": 1.0}
    assert do(custom=chat_custom(config=config)).error_code == "OPENAI.NO_PRICE"


def test_a_setting_that_is_no_number_is_told(vendor: Any, do: Do, monkeypatch: Any) -> None:
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_MAX_USD_PER_EXECUTION", "ten")
    resource = do()
    assert (resource.phase, resource.error_code) == (Phase.FAILED, "OPENAI.BAD_SETTING")


def test_fallbacks_are_asked_in_order(vendor: Any, do: Do) -> None:
    custom = chat_custom(config={"fallbacks": [{"model": "gone"}, {"model": "gpt-4o"}]})
    vendor.faults.add("chat", status=429, reason="insufficient_quota", times=1)
    resource = do(custom=custom)
    # The credential rests, and all three have the same one.
    assert "not asked" in resource.message
    assert "Before it: gpt-4.1-mini: " in resource.message


def test_a_fallback_answers_for_a_model_that_cannot(vendor: Any, do: Do, monkeypatch: Any) -> None:
    monkeypatch.setenv("_FSEC_OTHER", "sk-other-00000000")
    fallbacks = [{"model": "gone"}, {"model": "gpt-4o", "credentials": "other"}]
    vendor.faults.add("chat", status=503, times=6)
    resource = do(custom=chat_custom(config={"fallbacks": fallbacks}))

    assert resource.phase is Phase.SUCCEEDED, resource.message
    assert resource.custom_info["model"] == "gpt-4o"


def test_a_refusal_is_not_passed_on(vendor: Any, do: Do) -> None:
    vendor.faults.add("chat", status=400, reason="content_policy_violation")
    do(custom=chat_custom(config={"fallbacks": [{"model": "gpt-4o"}]}))
    assert vendor.count("chat") == 1


def test_the_desk_keeps_a_bounded_number_of_everything(agent: OpenAIAgent, running: Any) -> None:
    from flyte_agent_openai_sync.account import Account

    async def scenario() -> None:
        account = Account("openai", "http://127.0.0.1", None, "digest")
        for number in range(600):
            agent.desk.pace(account, f"model-{number}")

    running(scenario())
    assert len(agent.desk._paces) == 512
    assert attempt_of().key
