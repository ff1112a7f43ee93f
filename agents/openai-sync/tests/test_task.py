"""The author's side: what is told when a task is made, and local runs."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal, Optional, Union

import pytest
from flytekit import TaskMetadata
from flytekit.types.file import FlyteFile
from openai_types import Delay, Empty, Model, Mood, Summary, Tree, Twice, Wide

import flyte_agent_openai_sync as package
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_openai_sync import (
    ChatTask,
    EmbeddingTask,
    ImageTask,
    Judgement,
    Message,
    ModerationTask,
    OpenAIConfig,
    Receipt,
    SpeechTask,
    Transcript,
    TranscriptionTask,
)
from flyte_agent_openai_sync.decode import NotTheForm, decoded
from flyte_agent_openai_sync.schema import answer_form

MODEL = OpenAIConfig(model="gpt-4.1-mini")


TEXT = "AirTran was late on 2013-07-04: 336776 flights, and the mood was bad. It took 40.5 minutes."


@pytest.mark.parametrize(
    "output",
    [str, int, float, bool, Mood, Literal["bad", "good"], Delay, Summary, Model, list[str], list[Delay], list[Mood],
     dict[str, float], Optional[int], Optional[Delay], dt.datetime],
    ids=str,
)  # fmt: skip
def test_an_answer_is_of_the_declared_type(output: Any, vendor: Any) -> None:
    """Through flytekit's own types, the schema, the real client and back."""
    task = ChatTask("typed", "{text}", MODEL, {"text": str}, output=output, receipt=True)
    made = task(text=TEXT)

    plain = output if isinstance(output, type) and not hasattr(output, "__origin__") else None
    if plain in (str, int, float, bool, Mood, Delay, Summary, Model, dt.datetime):
        assert isinstance(made.answer, plain)
    assert isinstance(made.receipt, Receipt)
    form = vendor.requests[0].json.get("response_format")
    assert (form is None) == (output is str)


def test_fields_keep_their_types_and_meaning(vendor: Any) -> None:
    made = ChatTask("typed", "{text}", MODEL, {"text": str}, output=Summary)(text=TEXT)
    assert (made.mood, made.flights, made.day) == (Mood.BAD, 336776, dt.date(2013, 7, 4))
    assert isinstance(made.delays[0], Delay)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompt": ""}, "prompt: found ''"),
        ({"prompt": "{txt}", "inputs": {"text": str}}, "Did you mean 'text'?"),
        ({"prompt": "hello", "inputs": {"text": str}}, "an input that the prompt uses as {text}"),
        ({"prompt": "{x.y}"}, "the name of an input"),
        ({"config": None}, "Write config=OpenAIConfig"),
        ({"config": {"model": "m"}}, "Write config=OpenAIConfig"),
        ({"output": bytes}, "output: found <class 'bytes'>"),
        ({"output": dict}, "expected"),
        ({"output": dict[int, str]}, "dict[str, T]"),
        ({"output": list[FlyteFile]}, "output[]"),
        ({"messages": [Message("user", "x")]}, "not both"),
        ({"history": "past"}, "history: found 'past'"),
        ({"max_tool_calls": 3}, "api='responses' only"),
        ({"previous_response": "id"}, "previous_response: found 'id'"),
        ({"retires": 3}, "Did you mean 'retries'?"),
        ({"retries": 3, "metadata": TaskMetadata()}, "not both"),
        (
            {"prompt": None, "messages": [Message("user", "x", ["pic"])]},
            "an input of type FlyteFile",
        ),
        ({"config": OpenAIConfig("m", temperature="hot")}, "temperature"),  # type: ignore[arg-type]  # a mistake
    ],
)
def test_a_mistake_is_told_when_the_task_is_made(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        ChatTask(**{"name": "t", "prompt": "hello", "config": MODEL, **arguments})
    assert words in str(raised.value)


def test_examples_and_system_become_messages() -> None:
    task = ChatTask("t", "{q}", MODEL, {"q": str}, system="Be {{kind}}.", examples=[("{x}?", "y")])
    said = [(message.role, message.text) for message in task.request.messages]
    assert said == [
        ("system", "Be {{kind}}."),
        ("user", "{{x}}?"),
        ("assistant", "y"),
        ("user", "{q}"),
    ]


def test_files_without_a_place_go_along_with_the_last_message() -> None:
    inputs = {"text": FlyteFile, "picture": FlyteFile, "more": list[FlyteFile]}
    task = ChatTask("t", "{text}", MODEL, inputs)
    assert task.request.messages[-1].files == ["picture", "more"]


def test_tool_calls_make_the_answer_optional() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    task = ChatTask("t", "hi", MODEL, tools=tools, tools_output=True, output=None)
    assert list(task.python_interface.outputs) == ["tool_calls"]
    both = ChatTask("t", "hi", MODEL, tools=tools, tools_output=True)
    assert both.python_interface.outputs["answer"] == Optional[str]


def test_flytekits_options_are_taken() -> None:
    task = ChatTask("t", "hi", "gpt-4o", retries=2, cache=True, cache_version="1")
    assert (task.metadata.retries, task.metadata.cache) == (2, True)
    assert task.task_config.model == "gpt-4o"


def test_large_numbers_travel_as_text() -> None:
    task = ChatTask("t", "hi", OpenAIConfig("m", seed=2**60))
    custom = task.get_custom(None)  # type: ignore[arg-type]  # not looked at
    assert custom["config"]["seed"] == str(2**60)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: EmbeddingTask("t", MODEL, {"n": int}), "one input of type str or list[str]"),
        (lambda: EmbeddingTask("t", MODEL, {"a": str, "b": str}), "one input"),
        (lambda: ModerationTask("t", inputs={"n": float}), "one input"),
        (lambda: ImageTask("t", "x", MODEL, output=str), "FlyteFile"),
        (lambda: ImageTask("t", "x", MODEL, output=FlyteFile["tiff"]), "png, jpeg, webp"),
        (lambda: SpeechTask("t", config=MODEL, output=FlyteFile["midi"]), "mp3, wav"),
        (lambda: TranscriptionTask("t", MODEL, {"x": str}), "one input of type FlyteFile"),
        (lambda: TranscriptionTask("t", MODEL, output=int), "str or Transcript"),
    ],
)
def test_the_other_tasks_tell_their_mistakes(make: Any, words: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        make()
    assert words in str(raised.value)


def test_the_other_tasks_run_locally(vendor: Any) -> None:
    """Files come from and go to this machine, as their user's do."""
    sound = SpeechTask("s", "Hi, {name}.", "tts-1", {"name": str}, output=FlyteFile["wav"])(
        name="Ada"
    )
    assert TranscriptionTask("t", "whisper-1")(recording=sound) == "Hi, Ada."
    assert TranscriptionTask("t2", "whisper-1", output=Transcript)(recording=sound).duration_s > 0
    pictures = ImageTask(
        "i", "A {what}", "gpt-image-1", {"what": str}, list[FlyteFile], parameters={"n": 2}
    )(what="x")
    assert len(pictures) == 2
    jpeg = ImageTask("j", "A dog", "gpt-image-1", output=FlyteFile["jpeg"])()
    assert "[image_url]" in ChatTask("c", "What is it?", MODEL, {"pic": FlyteFile})(pic=jpeg)
    assert isinstance(ModerationTask("m")(text="a bomb"), Judgement)
    assert len(EmbeddingTask("e", "text-embedding-3-small", dimensions=4)(text="x")) == 4


def test_every_public_name_is_there() -> None:
    assert all(getattr(package, name) for name in package.__all__)
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError):
        _ = package.nothing


def test_classes_that_hold_themselves_have_a_schema() -> None:
    form = answer_form(Tree)
    assert form.wrapped
    assert (
        decoded(form, '{"value": {"name": "a", "branches": [{"name": "b", "branches": []}]}}')[
            "name"
        ]
        == "a"
    )
    with pytest.raises(NotTheForm, match="branches"):
        decoded(form, '{"value": {"name": "a", "branches": 1}}')


def test_a_class_used_twice_is_defined_once() -> None:
    schema = answer_form(Twice).json_schema or {}
    assert list(schema["$defs"]) == ["Delay"]
    assert schema["properties"]["either"] == {"type": ["string", "integer", "null"]}


def test_values_are_restored_through_choices_and_mappings() -> None:
    form = answer_form(dict[str, Union[Delay, list[int]]])
    text = '{"value": [{"key": "a", "value": {"airline": "x", "minutes": 2}}, {"key": "b", "value": [1.0]}]}'
    assert decoded(form, text) == {"a": {"airline": "x", "minutes": 2.0}, "b": [1]}


@pytest.mark.parametrize(
    ("hint", "words"),
    [(Empty, "at least one field"), (Wide, "at most 1000"), (Literal["a", 1], "all text"), (list, "list[T]"),
     (object, "expected")],
)  # fmt: skip
def test_types_without_a_schema_are_named(hint: Any, words: str) -> None:
    with pytest.raises(InvalidConfig) as raised:
        answer_form(hint)
    assert words in str(raised.value)
