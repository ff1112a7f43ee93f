"""Configurations that are wrong say so: field, found, expected, repair."""

from __future__ import annotations

import importlib.resources
import json
from pathlib import Path
from typing import Any

import pytest

from flyte_agent_core.errors import InvalidConfig
from flyte_agent_openai_sync import prices
from flyte_agent_openai_sync.config import OpenAIConfig, OpenAIRequest, Target
from flyte_agent_openai_sync.prompt import fill, names_in
from flyte_agent_openai_sync.usage import Usage, usage_in


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": " "}, "OpenAIConfig.model"),
        ({"base_url": "llm.example"}, "an address such as"),
        ({"base_url": "https://user:pass@llm.example"}, "an address such as"),
        ({"provider": "azure"}, "Azure's endpoint"),
        ({"auth": "entra"}, "'azure' with api_version and auth='entra'"),
        ({"credentials": "sk-proj-abc_/def=="}, "the name of a secret"),
        ({"headers": {"Authorization": "x"}}, "holds no credential"),
        ({"headers": {"bad header": "x"}}, "the name of a header"),
        ({"max_usd": 0}, "OpenAIConfig.max_usd: found 0"),
        ({"max_output_tokens": -1}, "a number above 0"),
        ({"repairs": 9}, "0 to 5"),
        ({"parameters": {"stream": True}}, "'stream'"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        OpenAIConfig(**{"model": "gpt-4.1-mini", **fields})
    assert words in str(raised.value)
    assert "sk-proj" not in str(raised.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"mdel": "x"}, "Did you mean 'model'"),
        ({"model": "m", "temperature": "hot"}, "config.temperature"),
        (
            {"model": "m", "fallbacks": [{"model": "n", "provider": "aws"}]},
            "config.fallbacks[0].provider",
        ),
    ],
)
def test_what_comes_over_the_wire_is_checked_too(config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        OpenAIRequest.from_custom({"kind": "chat", "config": config})
    assert words in str(raised.value)


def test_a_configuration_survives_flytes_numbers() -> None:
    config = OpenAIConfig(
        "m",
        seed=2**60,
        max_output_tokens=5,
        temperature=1.0,
        fallbacks=[Target("n", credentials="k")],
    )
    back = OpenAIConfig.from_custom(json.loads(json.dumps(config.to_custom()), parse_int=float))
    assert back == config
    assert [target.model for target in back.targets] == ["m", "n"]


@pytest.mark.parametrize("template", ["{", "{a.b}", "{a[0]}", "{0}", "{}", "{a!r}", '{"json": 1}'])
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(InvalidConfig, match=r"Write \{\{ and \}\}"):
        names_in("prompt", template)


def test_templates_are_filled_with_values_of_all_kinds() -> None:
    values = {"a": None, "b": True, "c": [1], "d": 1.5, "e": {"x": "ü"}}
    assert fill("p", "{a}|{b}|{c}|{d}|{e}|{{a}}", values) == '|true|[1]|1.5|{"x": "ü"}|{a}'
    with pytest.raises(InvalidConfig, match="a value for that format"):
        fill("p", "{c:.2f}", values)


@pytest.mark.parametrize(
    ("model", "usd"),
    [
        ("gpt-4o-mini-2024-07-18", 0.15),
        ("gpt-4o-2024-08-06", 2.5),
        ("text-embedding-3-small", 0.02),
        ("gpt-4o-mini-transcribe-2025-12-15", 1.25),
        ("nobody", None),
        ("gpt-5.99", None),
        ("gpt-5-turbo", None),
    ],
)
def test_a_model_is_priced_by_its_name_and_no_other_by_a_name_that_begins_like_it(
    model: str, usd: float | None
) -> None:
    found = prices.cost_usd(model, Usage(input_tokens=1_000_000))
    assert found == (pytest.approx(usd) if usd else None)


def test_cached_tokens_cost_less_and_minutes_and_images_something() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=1_000_000)
    assert prices.cost_usd("gpt-4.1", usage) == pytest.approx(0.5)
    assert prices.cost_usd("whisper-1", Usage(seconds=120)) == pytest.approx(0.012)


def test_long_prompts_cost_more() -> None:
    short, long = Usage(input_tokens=272_000), Usage(input_tokens=272_001, output_tokens=1_000_000)
    assert prices.cost_usd("gpt-5.5", short) == pytest.approx(0.272 * 5)
    assert prices.cost_usd("gpt-5.5", long) == pytest.approx(0.272001 * 10 + 45)
    assert prices.cost_usd("gpt-4.1", long) == pytest.approx(0.272001 * 2 + 8)


@pytest.mark.parametrize(
    ("tier", "usd"),
    [
        ("", 5.0),
        ("auto", 5.0),
        ("default", 5.0),
        ("flex", 2.5),
        ("priority", 12.5),
        ("scale", None),
    ],
)
def test_another_service_tier_is_another_price_or_none(tier: str, usd: float | None) -> None:
    found = prices.cost_usd("gpt-5.5", Usage(input_tokens=200_000), tier)
    assert found == (pytest.approx(usd / 5) if usd else None)


def test_our_own_table_is_as_strict_as_the_platforms(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = (
        importlib.resources
        .files("flyte_agent_openai_sync")
        .joinpath("prices.json")
        .read_text("utf-8")
    )
    path = tmp_path / "prices.json"
    path.write_text(ours)
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_PRICES", str(path))
    models = json.loads(ours)["models"]
    assert {model: prices.price_of(model) for model in models} == models


def test_the_platforms_prices_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "prices.json"
    path.write_text('{"models": {"gpt-4.1": {"input": 1}, "llama*": {"output": 2, "image": 0.5}}}')
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_PRICES", str(path))
    million = Usage(input_tokens=1_000_000, output_tokens=1_000_000, images=1)
    assert prices.cost_usd("gpt-4.1", million) == pytest.approx(1.0)
    assert prices.cost_usd("llama-70b", million) == pytest.approx(2.5)


def test_usage_of_both_apis_is_read() -> None:
    chat = {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
    response = {"input_tokens": 5, "output_tokens": 7, "input_tokens_details": {"cached_tokens": 2},
                "output_tokens_details": {"reasoning_tokens": 3}}  # fmt: skip
    assert usage_in({"usage": chat}) == usage_in({"usage": response}) == Usage(5, 2, 7, 3)
    assert usage_in({"usage": None}) == usage_in({}) == Usage()
    assert usage_in({"usage": {"seconds": 3}}).seconds == 3.0
