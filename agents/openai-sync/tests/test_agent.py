"""What a task gets for an answer, and what each way of not getting one means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from openai_support import answer_of, attempt_of, chat_custom, schema_custom

from flyte_agent_core import Phase, rpc
from flyte_agent_openai_sync.agent import OpenAIAgent
from flyte_agent_openai_sync.local.script import Scripted

Do = Callable[..., Any]


def sent(vendor: Any, route: str = "chat") -> list[dict[str, Any]]:
    return [request.json for request in vendor.requests if request.route == route]


def test_the_prompt_goes_out_with_the_values_of_the_inputs(vendor: Any, do: Do) -> None:
    custom = chat_custom(messages=[
        {"role": "system", "text": "Be {mood}."},
        {"role": "user", "text": "{{braces}} and {text}: {price:.2f} {words}"},
    ])  # fmt: skip
    do(custom=custom, inputs={"text": "{mood}", "mood": "kind", "price": 1.5, "words": ["a", "b"]})

    assert sent(vendor)[0]["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": '{braces} and {mood}: 1.50 ["a", "b"]'},
    ]


def test_parameters_go_out_as_they_were_given(vendor: Any, do: Do) -> None:
    config = {
        "temperature": 0.5, "top_p": 1.0, "seed": 7.0, "stop": ["end"], "max_output_tokens": 50.0,
        "reasoning_effort": "low", "service_tier": "flex", "parameters": {"logit_bias": {"5": 1.0}},
        "organization": "org-1", "project": "proj-1", "headers": {"x-team": "flights"},
    }  # fmt: skip
    do(custom=chat_custom(config=config))

    (body,) = sent(vendor)
    (request,) = vendor.requests
    del body["messages"]
    assert json.dumps(body, sort_keys=True) == json.dumps({
        "logit_bias": {"5": 1}, "max_completion_tokens": 50, "model": "gpt-4.1-mini", "reasoning_effort": "low",
        "seed": 7, "service_tier": "flex", "stop": ["end"], "temperature": 0.5, "top_p": 1.0,
    }, sort_keys=True)  # fmt: skip
    found = [request.headers[name] for name in ("openai-organization", "openai-project", "x-team")]
    assert found == ["org-1", "proj-1", "flights"]


def test_history_goes_before_the_question(vendor: Any, do: Do) -> None:
    custom = chat_custom(
        history="past",
        messages=[{"role": "system", "text": "Be kind."}, {"role": "user", "text": "{text}"}],
    )
    past = [{"role": "user", "text": "Hi."}, {"role": "assistant", "text": "Hello."}]
    do(custom=custom, inputs={"text": "And?", "past": past})

    roles = [(message["role"], message["content"]) for message in sent(vendor)[0]["messages"]]
    assert roles == [
        ("system", "Be kind."),
        ("user", "Hi."),
        ("assistant", "Hello."),
        ("user", "And?"),
    ]


def test_a_typed_answer_arrives_as_its_type(vendor: Any, do: Do) -> None:
    vendor.script.say(
        Scripted('{"title": "Late", "flights": 3, "tags": [{"key": "a", "value": 1}]}')
    )
    resource = do(custom=schema_custom(), outputs={"answer": dict})

    assert answer_of(resource) == {"title": "Late", "flights": 3, "tags": {"a": 1.0}}
    form = sent(vendor)[0]["response_format"]["json_schema"]
    assert (form["name"], form["strict"]) == ("Late", True)


def test_the_receipt_tells_what_it_cost(vendor: Any, do: Do) -> None:
    resource = do(custom=chat_custom(receipt=True), outputs={"answer": str, "receipt": dict})

    receipt = answer_of(resource, "receipt")
    assert receipt["model"] == "gpt-4.1-mini"
    assert receipt["total_tokens"] == receipt["input_tokens"] + receipt["output_tokens"] > 0
    assert receipt["cost_usd"] == pytest.approx(
        (0.4 * receipt["input_tokens"] + 1.6 * receipt["output_tokens"]) / 1e6
    )
    assert receipt["request_id"].startswith("req_")
    assert receipt["system_fingerprint"] == "fp_local"
    assert resource.custom_info["total_tokens"] == receipt["total_tokens"]


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_an_answer_that_does_not_fit_is_asked_for_again_and_both_are_paid(
    api: str, vendor: Any, do: Do
) -> None:
    vendor.script.say(
        Scripted('{"title": "Late"}'), Scripted('{"title": "a", "flights": 1, "tags": []}')
    )
    resource = do(custom=schema_custom(api=api), outputs={"answer": dict})

    assert answer_of(resource)["flights"] == 1
    assert resource.custom_info["calls"] == 2
    second = sent(vendor, api)[1]["messages" if api == "chat" else "input"]
    assert "'flights' is a required property" in second[-1]["content"]


def test_repairs_are_bounded(vendor: Any, do: Do) -> None:
    vendor.script.say(Scripted("no JSON at all"), times=9)
    resource = do(custom=schema_custom(config={"repairs": 2}), outputs={"answer": dict})

    assert (resource.phase, resource.error_code) == (
        Phase.RETRYABLE_FAILED,
        "OPENAI.INVALID_ANSWER",
    )
    assert vendor.count("chat") == 3
    assert resource.custom_info["total_tokens"] > 0


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize(
    ("scripted", "phase", "code"),
    [
        (Scripted(refusal="I will not."), Phase.FAILED, "OPENAI.REFUSED"),
        (Scripted("half", finish_reason="length"), Phase.FAILED, "OPENAI.TRUNCATED"),
        (Scripted("half", finish_reason="content_filter"), Phase.FAILED, "OPENAI.CONTENT_FILTER"),
        (Scripted(""), Phase.RETRYABLE_FAILED, "OPENAI.EMPTY_ANSWER"),
        (Scripted("", tool_calls=[("f", "{}")]), Phase.FAILED, "OPENAI.TOOL_CALLS"),
    ],
    ids=["refusal", "truncation", "filter", "empty", "tool-call"],
)
def test_each_way_of_not_answering_has_its_code(
    api: str, scripted: Scripted, phase: Phase, code: str, vendor: Any, do: Do
) -> None:
    vendor.script.say(scripted)
    resource = do(custom=chat_custom(api=api))

    assert (resource.phase, resource.error_code) == (phase, code), resource.message
    assert resource.custom_info["total_tokens"] > 0, "it was paid for"


def test_tool_calls_that_are_used_up_are_told(vendor: Any, do: Do) -> None:
    searches = [
        {"id": f"ws_{n}", "type": "web_search_call", "status": "completed"} for n in range(2)
    ]
    vendor.script.say(Scripted("", built_in=searches))
    custom = chat_custom(api="responses", tools=[{"type": "web_search"}], max_tool_calls=2)
    assert do(custom=custom).error_code == "OPENAI.TOOL_CALL_LIMIT"


def test_a_response_that_failed_is_mapped_by_its_code(vendor: Any, do: Do) -> None:
    vendor.script.say(Scripted("", failed=("server_error", "went wrong")))
    resource = do(custom=chat_custom(api="responses"))

    assert (resource.phase, resource.error_code) == (Phase.RETRYABLE_FAILED, "OPENAI.SERVER_ERROR")


FUNCTION = {"type": "function", "function": {"name": "get_weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False,
}}}  # fmt: skip


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_tool_calls_are_an_output(api: str, vendor: Any, do: Do) -> None:
    custom = chat_custom(
        api=api, tools=[FUNCTION], tool_choice="get_weather", answer={"optional": True}
    )
    outputs = {"answer": str | None, "tool_calls": list[dict]}
    resource = do(custom=custom, outputs=outputs)

    (call,) = answer_of(resource, "tool_calls")
    assert (call["name"], call["kind"]) == ("get_weather", "function")
    assert json.loads(call["arguments"]).keys() == {"city"}
    assert answer_of(resource) is None


def test_what_built_in_tools_found_is_an_output_too(vendor: Any, do: Do) -> None:
    custom = chat_custom(api="responses", tools=[{"type": "web_search"}], answer={"optional": True})
    resource = do(custom=custom, outputs={"answer": str | None, "tool_calls": list[dict]})

    (call,) = answer_of(resource, "tool_calls")
    assert (call["kind"], json.loads(call["result"])["status"]) == ("web_search", "completed")
    assert answer_of(resource)


def test_a_response_goes_on_from_another(vendor: Any, do: Do) -> None:
    custom = chat_custom(api="responses", previous_response="before")
    do(custom=custom, inputs={"text": "And?", "before": "resp_1"})

    assert sent(vendor, "responses")[0]["previous_response_id"] == "resp_1"


def test_a_task_without_outputs_needs_none(vendor: Any, do: Do) -> None:
    assert do(outputs={}).phase is Phase.SUCCEEDED


@pytest.mark.parametrize(
    ("custom", "words"),
    [
        (chat_custom("{txt}"), "Did you mean 'text'?"),
        (chat_custom(config={"model": "gpt-0"}), "does not exist"),
        (chat_custom(config={"credentials": "other"}), "_FSEC_OTHER"),
        (chat_custom(history="text"), "a list of messages"),
        ({"kind": "chart", "config": {"model": "m"}}, "kind"),
    ],
    ids=["template", "model", "secret", "history", "kind"],
)
def test_a_mistake_of_the_user_is_final_and_said(
    custom: Any, words: str, vendor: Any, do: Do
) -> None:
    resource = do(custom=custom)

    assert resource.phase is Phase.FAILED
    assert words in resource.message


def test_a_prompt_that_is_too_long_is_final(vendor: Any, do: Do) -> None:
    vendor.models["gpt-4.1-mini"] = 10
    resource = do(inputs={"text": "word " * 100})

    assert (resource.phase, resource.error_code) == (Phase.FAILED, "OPENAI.CONTEXT_LENGTH_EXCEEDED")
    assert "maximum context length is 10 tokens" in resource.message
    assert "request req_" in resource.message or "HTTP 400" in resource.message


def test_a_missing_key_says_where_it_was_looked_for(vendor: Any, do: Do, monkeypatch: Any) -> None:
    monkeypatch.delenv("_FSEC_OPENAI_API_KEY")
    resource = do()

    assert (resource.phase, resource.error_code) == (Phase.FAILED, "OPENAI.NO_KEY")
    assert "openai-api-key" in resource.message


def test_a_key_of_the_project_comes_before_everybodys(
    vendor: Any, do: Do, monkeypatch: Any
) -> None:
    monkeypatch.setenv("_FSEC_FINANCE__OPENAI_API_KEY", "sk-finance-000000")
    do(project="finance")
    do(project="other")

    keys = [request.headers["authorization"][7:17] for request in vendor.requests]
    assert keys == ["sk-finance", "sk-test-01"]


def test_prompts_and_answers_stay_out_of_the_log(vendor: Any, do: Do, caplog: Any) -> None:
    with caplog.at_level("DEBUG"):
        do(inputs={"text": "my secret diary"})
        vendor.faults.add("chat", status=400, message="no")
        do(inputs={"text": "my secret diary again"})

    assert "diary" not in caplog.text


def test_stock_tasks_run_unchanged(vendor: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("_FSEC_OPENAI_API_KEY")
    monkeypatch.setenv("_FSEC_FLYTE_OPENAI_API_KEY", "sk-stock-key")
    config = {
        "model": "gpt-4o",
        "temperature": 0.7,
        "max_tokens": 20,
        "n": 1,
        "messages": [{"role": "system"}],
    }
    custom = {"openai_organization": "org-9", "chatgpt_config": config}
    attempt = attempt_of(custom, {"message": "Hello."}, outputs={"o0": str}, task_type="chatgpt")
    agent = OpenAIAgent("chatgpt")
    with rpc.serving(10.0):
        resource = asyncio.run(agent.do(attempt))

    assert answer_of(resource, "o0") == "Hello."
    (request,) = vendor.requests
    assert request.headers["openai-organization"] == "org-9"
    assert request.headers["authorization"] == "Bearer sk-stock-key"
    assert request.body.count(b'"max_tokens":20') == 1, "a whole number, not 20.0"
    assert request.json["messages"] == [{"role": "user", "content": "Hello."}]


def test_a_stock_task_without_a_model_is_told(do: Do) -> None:
    resource = do(custom={"chatgpt_config": {}}, task_type="chatgpt")
    assert "chatgpt_config" in resource.message


def test_policy_is_told_what_the_task_touches(vendor: Any, agent: OpenAIAgent) -> None:
    config = {
        "credentials": "team-key", "max_usd": 0.5, "max_tokens": 100,
        "fallbacks": [{"model": "gpt-4o", "credentials": "other-key"}],
    }  # fmt: skip
    facts = agent.policy_facts(attempt_of(chat_custom(config=config, tools=[FUNCTION])))

    assert facts == {
        "kind": ["chat"], "model": ["gpt-4.1-mini", "gpt-4o"], "endpoint": [f"{vendor.url}/v1"],
        "secret": ["other-key", "team-key"], "tool": ["function"], "max_tokens": ["100"], "max_usd": ["0.5"],
    }  # fmt: skip


def test_models_that_the_platform_does_not_allow_are_refused(
    do: Do, vendor: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_MODELS", "gpt-4o*, o4-mini")
    refused = do(custom=chat_custom(config={"model": "gpt-4o", "fallbacks": [{"model": "gpt-5"}]}))

    assert refused.error_code == "OPENAI.MODEL_NOT_ALLOWED"
    assert do(custom=chat_custom(config={"model": "gpt-4o-mini"})).phase is Phase.SUCCEEDED


def test_a_chat_without_choices_of_its_own_uses_a_required_tool(vendor: Any, do: Do) -> None:
    custom = chat_custom(tools=[FUNCTION], tool_choice="required", answer={"optional": True})
    do(custom=custom, outputs={"tool_calls": list[dict]})
    assert sent(vendor)[0]["tool_choice"] == "required"


def test_usage_reaches_the_span_of_the_call(vendor: Any, do: Do, monkeypatch: Any) -> None:
    """OpenTelemetry is the service's choice; here something stands for it."""
    import sys
    import types

    attributes: dict[str, Any] = {}
    span = types.SimpleNamespace(set_attributes=attributes.update)
    trace = types.SimpleNamespace(get_current_span=lambda: span)
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", trace)
    do()
    assert attributes["gen_ai.usage.input_tokens"] > 0
    assert attributes["gen_ai.response.model"] == "gpt-4.1-mini"


def test_an_output_the_task_does_not_have_is_told_though_it_was_paid(vendor: Any, do: Do) -> None:
    resource = do(outputs={"reply": str})
    assert (resource.phase, resource.error_code) == (Phase.FAILED, "AGENT.OUTPUT_TYPE")
    assert "output 'reply' was declared" in resource.message
    assert resource.custom_info["total_tokens"] > 0


def test_points_in_time_arrive_as_such(vendor: Any, do: Do) -> None:
    import datetime as dt

    schema = {"type": "object", "properties": {"value": {"type": "array", "items": {"type": "string"}}},
              "required": ["value"], "additionalProperties": False}  # fmt: skip
    custom = chat_custom(answer={"json_schema": schema, "wrapped": True})
    vendor.script.say(Scripted('{"value": ["2024-01-31T00:00:00Z"]}'))
    made = answer_of(do(custom=custom, outputs={"answer": list[dt.datetime]}))
    assert made == [dt.datetime(2024, 1, 31, tzinfo=dt.timezone.utc)]
    vendor.script.say(Scripted('{"value": ["soon"]}'))
    assert do(custom=custom, outputs={"answer": list[dt.datetime]}, node="n1").phase is Phase.FAILED
