"""The stand-in, asked by the vendor's own client."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from PIL import Image

from flyte_agent_openai_sync.local import LocalOpenAI
from flyte_agent_openai_sync.local.filling import Filler
from flyte_agent_openai_sync.local.limits import Limits, duration
from flyte_agent_openai_sync.local.media import image, speech, transcript
from flyte_agent_openai_sync.local.sandbox import OpenAISandbox
from flyte_agent_openai_sync.local.script import Scripted
from flyte_agent_openai_sync.local.words import best_sentences, count_tokens, summary, vector

TEXT = (
    "Airlines lose time when it rains. AirTran lost 40 minutes on average, more than any other airline. "
    "Rain falls on one day in four in New York. The airports are close to the sea. AirTran flies from one airport. "
    "Airlines that fly from several airports lost less time to rain than AirTran."
)


@pytest.fixture
def server() -> Iterator[LocalOpenAI]:
    with LocalOpenAI(keys={"good-key"}) as running:
        yield running
        assert not list(running.errors)


@pytest.fixture
def client(server: LocalOpenAI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="good-key", max_retries=0) as made:
        yield made


def ask(client: openai.OpenAI, text: str, **more: Any) -> Any:
    return client.chat.completions.create(
        model="gpt-4.1-mini", messages=[{"role": "user", "content": text}], **more
    )


def test_a_summary_is_made_of_the_texts_own_sentences(client: openai.OpenAI) -> None:
    answer = ask(client, f"Summarise in two sentences:\n\n{TEXT}")
    said = answer.choices[0].message.content
    assert said == " ".join(best_sentences(TEXT, 2))
    assert said in (
        ask(client, f"Summarise in two sentences:\n\n{TEXT}").choices[0].message.content
    )
    assert answer.usage.prompt_tokens > count_tokens(TEXT)
    assert len(summary(f"In at most 10 words:\n\n{TEXT}").split()) <= 10


def test_answers_come_word_by_word_too(client: openai.OpenAI) -> None:
    whole = ask(client, TEXT).choices[0].message.content
    with ask(client, TEXT, stream=True) as stream:
        parts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
    assert "".join(parts) == whole
    assert len(parts) > 10


def test_keys_are_looked_at(server: LocalOpenAI) -> None:
    made = openai.OpenAI(base_url=f"{server.url}/v1", api_key="bad-key", max_retries=0)
    with made as client, pytest.raises(openai.AuthenticationError, match="bad"):
        client.models.list()


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert "gpt-4.1-mini" in [model.id for model in client.models.list()]
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve("gpt-0")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "missing_required_parameter"),
        ({"model": "gpt-4o"}, "missing_required_parameter"),
        ({"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}],
          "response_format": {"json_schema": {"schema": {"type": "array"}}}}, "invalid_json_schema"),
        ({"model": "gpt-4o", "messages": [{"role": "user", "content": "x"}],
          "response_format": {"json_schema": {"schema": {"type": "object", "properties": {"a": {"type": "object"}},
                                                         "required": ["a"], "additionalProperties": False}}}},
         "invalid_json_schema"),
    ],
)  # fmt: skip
def test_what_openai_would_refuse_is_refused(body: Any, code: str, client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as raised:
        client.post("/chat/completions", cast_to=object, body=body)
    assert raised.value.code == code


def test_rate_limits_come_back_bit_by_bit() -> None:
    now = [0.0]
    limits = Limits(60, 600, lambda: now[0])
    assert [limits.admit("k", "m", 10)[0] for _ in range(60)] == [0.0] * 60
    wait_s, headers = limits.admit("k", "m", 10)
    assert wait_s == pytest.approx(1.0)
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"] == "1m0.000s"
    assert limits.admit("other", "m", 10)[0] == 0.0
    now[0] = 1.0
    assert limits.admit("k", "m", 10)[0] == 0.0
    assert (limits.refused, duration(0.12), duration(1.5)) == (1, "120ms", "1.500s")


def test_it_says_what_a_script_wants(server: LocalOpenAI, client: openai.OpenAI) -> None:
    server.script.say(Scripted(refusal="no"), Scripted("cut", finish_reason="length"))
    assert ask(client, "hi").choices[0].message.refusal == "no"
    assert ask(client, "hi").choices[0].finish_reason == "length"
    assert (
        ask(client, "hello there you", max_completion_tokens=2).choices[0].finish_reason == "length"
    )


def test_texts_about_the_same_are_near() -> None:
    def near(a: str, b: str) -> float:
        return sum(x * y for x, y in zip(vector(a, 256), vector(b, 256), strict=True))

    assert (
        near("rain and late flights", "flights late in rain") > 0.7 > near("rain", "a cat on a mat")
    )


def test_pictures_and_sounds_are_real() -> None:
    import base64

    picture = Image.open(io.BytesIO(base64.b64decode(image("A red house " * 30, "512x256", "png"))))
    assert picture.size == (128, 64)
    assert transcript(speech("Grüße!"))[0] == "Grüße!"
    assert transcript(b"ID3...")[0] == "A recording of 6 bytes."
    plain = speech("x")
    assert "seconds" in transcript(plain[: plain.rfind(b"note")])[0]


RECORDS = [
    {"airline": "AirTran", "minutes": 40.5, "rainy": True},
    {"airline": "Delta", "minutes": 10.0, "rainy": False},
]


def test_records_in_the_prompt_fill_records_in_the_answer() -> None:
    record = {"type": "object", "properties": {
        "airline": {"type": "string"}, "minutes": {"type": "number"}, "rainy": {"type": "boolean"},
        "grade": {"enum": ["Delta", "x"]},
    }}  # fmt: skip
    schema = {
        "type": "object",
        "properties": {"worst": record, "all": {"type": "array", "items": record}},
    }
    made = Filler(f"What is worst?\n\n{json.dumps(RECORDS)}").fill(schema)
    assert made["worst"] == {"airline": "AirTran", "minutes": 40.5, "rainy": True, "grade": "Delta"}
    assert [each["airline"] for each in made["all"]] == ["AirTran", "Delta"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "null"}, None),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, 7),
        ({"type": ["null", "number"]}, 7.0),
        ({"type": "array", "items": {"type": "integer"}}, [7, 12]),
        ({"type": "array", "items": {"type": "boolean"}}, [False]),
        ({"type": "string", "format": "date"}, "1970-01-01"),
        ({"const": 3}, 3),
        ({"anyOf": [{"type": "null"}]}, None),
    ],
)
def test_simple_schemas_are_filled(schema: dict[str, Any], expected: Any) -> None:
    assert Filler("7 of 12 came.").fill(schema) == expected


def test_a_schema_that_holds_itself_has_an_end() -> None:
    tree = {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/T"}, {"type": "null"}]},
                                             "more": {"type": "array", "items": {"$ref": "#/$defs/T"}}}}  # fmt: skip
    assert Filler("x").fill({**tree, "$defs": {"T": tree}})["more"]


def test_the_sandbox_points_clients_to_it() -> None:
    running = OpenAISandbox().start(0)
    environment = running.environment()
    with openai.OpenAI(
        base_url=environment["OPENAI_BASE_URL"], api_key=environment["OPENAI_API_KEY"]
    ) as client:
        assert list(client.models.list())
    running.stop()


def test_it_runs_by_itself() -> None:
    command = [sys.executable, "-m", "flyte_agent_openai_sync.local", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.terminate()
        assert line.startswith("export OPENAI_BASE_URL=http://127.0.0.1:")
        assert process.wait(30) == 0
