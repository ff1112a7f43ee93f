"""Embeddings, moderation, images, speech, transcription, and files in prompts."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.literals_pb2 import Blob, BlobMetadata, Literal, Scalar
from flyteidl.core.types_pb2 import BlobType, LiteralType
from openai_support import answer_of, chat_custom

from flyte_agent_core import Phase
from flyte_agent_openai_sync import kinds
from flyte_agent_openai_sync.local.media import speech
from flyte_agent_testing.server import Reply

Do = Callable[..., Any]
FILE = LiteralType(blob=BlobType())


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_FILES", f"{tmp_path}/")


def file(path: Path | str) -> Literal:
    return Literal(scalar=Scalar(blob=Blob(uri=str(path), metadata=BlobMetadata(type=BlobType()))))


def request(kind: str, model: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "config": {"model": model}, **more}


def test_a_text_becomes_a_vector(vendor: Any, do: Do) -> None:
    custom = request(
        "embedding", "text-embedding-3-small", subject="text", options={"dimensions": 8.0}
    )
    assert len(answer_of(do(custom=custom, outputs={"answer": list[float]}))) == 8


def test_texts_become_vectors_in_their_order_and_in_batches(vendor: Any, do: Do) -> None:
    texts = [f"text number {n}" for n in range(2500)]
    custom = request(
        "embedding", "text-embedding-3-small", subject="texts", options={"dimensions": 4}
    )
    vectors = answer_of(
        do(custom=custom, inputs={"texts": texts}, outputs={"answer": list[list[float]]})
    )

    assert [len(r.json["input"]) for r in vendor.requests] == [2048, 452]
    single = request(
        "embedding", "text-embedding-3-small", subject="text", options={"dimensions": 4}
    )
    last = answer_of(do(custom=single, inputs={"text": texts[-1]}, outputs={"answer": list[float]}))
    assert vectors[-1] == pytest.approx(last)


def test_more_vectors_than_fit_are_refused(vendor: Any, do: Do) -> None:
    custom = request("embedding", "text-embedding-3-small", subject="texts")
    resource = do(
        custom=custom, inputs={"texts": ["a"] * 1000}, outputs={"answer": list[list[float]]}
    )
    assert resource.error_code == "OPENAI.TOO_LARGE"


def test_batches_are_bounded_in_tokens() -> None:
    made = kinds.batches(["x" * 300_000] * 5)
    assert [len(batch) for batch in made] == [2, 2, 1]


def test_vectors_in_base64_are_read() -> None:
    assert kinds._vector(base64.b64encode(b"\0\0\x80?").decode()) == [1.0]


@pytest.mark.parametrize("kind", ["embedding", "moderation"])
def test_an_empty_text_is_refused_before_it_is_sent(kind: str, vendor: Any, do: Do) -> None:
    custom = request(kind, "omni-moderation-latest", subject="texts")
    resource = do(custom=custom, inputs={"texts": ["a", " "]}, outputs={})
    assert "input 'texts', item 1" in resource.message
    assert vendor.count() == 0


def test_moderation_says_which_texts_are_flagged(vendor: Any, do: Do) -> None:
    custom = request("moderation", "omni-moderation-latest", subject="texts")
    texts = ["a bomb attack", "a bunch of flowers"]
    judged = answer_of(do(custom=custom, inputs={"texts": texts}, outputs={"answer": list[dict]}))
    assert [(each["flagged"], each["categories"]) for each in judged] == [
        (True, ["violence"]),
        (False, []),
    ]


def test_an_image_is_a_file_beside_the_outputs(vendor: Any, do: Do, tmp_path: Path) -> None:
    messages = [{"role": "user", "text": "A {text}"}]
    custom = request(
        "image",
        "gpt-image-1",
        messages=messages,
        options={"n": 2, "size": "256x256"},
        file_format="png",
    )
    both = LiteralType(collection_type=FILE)
    resource = do(
        custom=custom, inputs={"text": "plane"}, outputs={"answer": both}, prefix=str(tmp_path)
    )

    assert answer_of(resource) == [f"{tmp_path}/image-0.png", f"{tmp_path}/image-1.png"]
    assert (tmp_path / "image-0.png").read_bytes().startswith(b"\x89PNG")
    assert vendor.requests[0].json["prompt"] == "A plane"


def test_speech_and_its_transcription(vendor: Any, do: Do, tmp_path: Path) -> None:
    custom = request(
        "speech", "tts-1", messages=[{"role": "user", "text": "{text}"}], file_format="wav"
    )
    said = do(
        custom=custom,
        inputs={"text": "Flight 12 is late."},
        outputs={"answer": FILE},
        prefix=str(tmp_path),
    )
    path = answer_of(said)
    with wave.open(io.BytesIO(Path(path).read_bytes())) as sound:
        assert sound.getnframes() > 1000
    assert said.custom_info["cost_usd"] == pytest.approx(18 * 15e-6)

    written = request("transcription", "whisper-1", subject="recording")
    answer = do(
        custom=written, inputs={"recording": file(path)}, outputs={"answer": str}, node="n1"
    )
    assert answer_of(answer) == "Flight 12 is late."
    typed = do(
        custom=written, inputs={"recording": file(path)}, outputs={"answer": dict}, node="n2"
    )
    assert answer_of(typed)["language"] == "english"


@pytest.mark.parametrize("text", ["", "x" * 5000])
def test_what_cannot_be_spoken_is_refused(text: str, vendor: Any, do: Do) -> None:
    custom = request("speech", "tts-1", messages=[{"role": "user", "text": "{text}"}])
    assert "1 to 4096" in do(custom=custom, inputs={"text": text}, outputs={"answer": FILE}).message


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_files_go_along_with_the_prompt(api: str, vendor: Any, do: Do, tmp_path: Path) -> None:
    contents = {"a.png": b"\x89PNG\r\n\x1a\n0", "b.pdf": b"%PDF-1.7 0", "c.wav": speech("Hi.")}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    message = {"role": "user", "text": "{text}", "files": ["files"]}
    inputs = {"text": "What is it?", "files": [file(tmp_path / name) for name in contents]}
    resource = do(custom=chat_custom(api=api, messages=[message]), inputs=inputs)

    assert resource.phase is Phase.SUCCEEDED, resource.message
    (body,) = [r.json for r in vendor.requests]
    parts = body["messages" if api == "chat" else "input"][0]["content"]
    kinds_sent = [part["type"] for part in parts]
    assert kinds_sent == (
        ["text", "image_url", "file", "input_audio"]
        if api == "chat"
        else ["input_text", "input_image", "input_file", "input_audio"]
    )
    assert base64.b64encode(contents["b.pdf"]).decode() in str(parts[2])


def test_a_text_file_stands_in_the_prompt(vendor: Any, do: Do, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Grüße", "utf-8")
    do(inputs={"text": file(tmp_path / "a.txt")})
    assert vendor.requests[0].json["messages"][0]["content"] == "Grüße"


def test_what_is_no_text_cannot_stand_in_the_prompt(vendor: Any, do: Do, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in do(inputs={"text": file(tmp_path / "a.txt")}).message


def attached(do: Do, path: Path | str) -> Any:
    message = {"role": "user", "text": "What?", "files": ["it"]}
    return do(custom=chat_custom(messages=[message]), inputs={"it": file(path)})


def test_a_large_image_is_refused_with_the_limit(vendor: Any, do: Do, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * (20 << 20))
    resource = attached(do, path)
    assert resource.phase is Phase.FAILED
    assert "input 'it': found 'large.png of 20.0 MiB', expected at most 20 MiB" in resource.message
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * (40 << 20))
    assert "expected at most 32 MiB" in attached(do, path).message, "not even read"


@pytest.mark.parametrize(
    ("name", "words"),
    [("missing.png", "a file that exists"), ("notes.txt", "a file of kind image, pdf, audio"), ("", "cannot read")],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named(
    name: str, words: str, vendor: Any, do: Do, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    resource = attached(do, f"{tmp_path}/{name}")
    assert (resource.phase, words in resource.message) == (Phase.FAILED, True), resource.message


@pytest.mark.parametrize("uri", ["/etc/hostname", "file:///etc/hostname", "http://127.0.0.1/x"])
def test_files_of_the_service_are_not_read(uri: str, vendor: Any, do: Do) -> None:
    resource = attached(do, uri)
    assert resource.phase is Phase.FAILED
    assert "FLYTE_AGENT_OPENAI_FILES" in resource.message


def test_a_sound_that_models_do_not_take_is_refused(vendor: Any, do: Do, tmp_path: Path) -> None:
    (tmp_path / "a.flac").write_bytes(b"fLaC0000")
    assert "WAV or MP3" in attached(do, tmp_path / "a.flac").message


@pytest.mark.parametrize(
    ("kind", "body", "code"),
    [
        ("embedding", {"data": []}, "OPENAI.MALFORMED"),
        ("moderation", {"results": None}, "OPENAI.MALFORMED"),
        ("image", {"data": []}, "OPENAI.EMPTY_ANSWER"),
        ("image", {"data": [{"url": "https://elsewhere"}]}, "OPENAI.IMAGE_BY_ADDRESS"),
        ("image", {"data": [{}]}, "OPENAI.MALFORMED"),
        ("chat", {"choices": []}, "OPENAI.MALFORMED"),
        ("chat", ["what"], "OPENAI.MALFORMED"),
        ("responses", {"output": None}, "OPENAI.MALFORMED"),
        ("responses", {"output": [], "status": "queued"}, "OPENAI.MALFORMED"),
    ],
)
def test_answers_of_no_known_form_are_told(
    kind: str, body: Any, code: str, vendor: Any, do: Do, tmp_path: Path
) -> None:
    route = {"embedding": "embeddings", "moderation": "moderations", "image": "images"}.get(
        kind, kind
    )
    vendor.instead[route] = Reply(200, body)
    model = {"embedding": "text-embedding-3-small", "image": "gpt-image-1"}.get(
        kind, "gpt-4.1-mini"
    )
    messages = [{"role": "user", "text": "{text}"}]
    api = "responses" if kind == "responses" else "chat"
    custom = request(
        kind.replace("responses", "chat"), model, subject="text", messages=messages, api=api
    )
    assert do(custom=custom, outputs={}, prefix=str(tmp_path)).error_code == code
