"""Everything that is not chat: vectors, judgements, images, speech and its transcription."""

from __future__ import annotations

import base64
import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError
from flyte_agent_core.fields import invalid
from flyte_agent_core.inputs import FileRef

from . import chat, files
from .answers import EmptyAnswer
from .errors import MalformedReply
from .line import estimate_tokens
from .usage import Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from .doing import Job
    from .line import Line
    from .reply import Reply

MAX_TEXTS, MAX_REQUEST_TOKENS = 2048, 250_000
"""Of one embedding request: texts, and tokens (300,000 at OpenAI; the estimate is rough)."""

MAX_VECTOR_FLOATS = 200_000
"""More do not fit into an answer to Flyte (4 MiB)."""

MAX_SPOKEN_CHARS = 4096


@dataclasses.dataclass
class Judgement:
    """
    What moderation finds in a text.

    Attributes:
        flagged: Whether any category applies.
        categories: Those that apply.
        scores: How likely each category is, 0 to 1.
    """

    flagged: bool = False
    categories: list[str] = dataclasses.field(default_factory=list)
    scores: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Transcript:
    """
    What was said in a recording.

    Attributes:
        text: All of it.
        language: As the model names it; empty when it does not say.
        duration_s: Length of the recording in seconds; 0 when the model does not say.
    """

    text: str = ""
    language: str = ""
    duration_s: float = 0.0


async def embed(job: Job, line: Line) -> dict[str, Any]:
    """Return a vector for each text."""
    texts, single = _texts(job)
    vectors: list[list[float]] = []
    for batch in batches(texts):
        body = _with_options(job, {"model": line.model, "input": batch})
        expected = Usage(input_tokens=sum(map(estimate_tokens, batch)))
        reply = await line.ask("embeddings", body, line.client.embed, expected)
        vectors += _vectors(reply.body, len(batch))
    floats = sum(map(len, vectors))
    if floats > MAX_VECTOR_FLOATS:
        raise TaskError(
            f"output: found {len(vectors)} vectors with {floats:,} numbers in all, expected at most "
            f"{MAX_VECTOR_FLOATS:,}, which is what fits into an answer to Flyte. Set options={{'dimensions': …}}, or "
            "give this task fewer texts.",
            code="OPENAI.TOO_LARGE",
        )
    return {"answer": vectors[0] if single else vectors}


def batches(texts: list[str]) -> list[list[str]]:
    """Return the texts in requests that are not too large."""
    made: list[list[str]] = []
    tokens = 0
    for text in texts:
        size = estimate_tokens(text)
        if not made or len(made[-1]) >= MAX_TEXTS or tokens + size > MAX_REQUEST_TOKENS:
            made.append([])
            tokens = 0
        made[-1].append(text)
        tokens += size
    return made


def _vectors(body: dict[str, Any], expected: int) -> list[list[float]]:
    rows = body.get("data")
    if not isinstance(rows, list) or len(rows) != expected:
        raise MalformedReply(f"embeddings: found no {expected} vectors in the answer")
    return [
        _vector(row.get("embedding")) for row in sorted(rows, key=lambda row: row.get("index", 0))
    ]


def _vector(value: Any) -> list[float]:
    if isinstance(value, str):  # some servers answer base64 whatever they are asked for
        import struct

        raw = base64.b64decode(value)
        return list(struct.unpack(f"<{len(raw) // 4}f", raw))
    return [float(number) for number in value or []]


async def moderate(job: Job, line: Line) -> dict[str, Any]:
    """Return a judgement for each text."""
    texts, single = _texts(job)
    body = _with_options(job, {"model": line.model, "input": texts})
    reply = await line.ask("moderations", body, line.client.moderate, Usage())
    results = reply.body.get("results")
    if not isinstance(results, list) or len(results) != len(texts):
        raise MalformedReply(f"moderations: found no {len(texts)} results in the answer")
    judged = [dataclasses.asdict(_judgement(result)) for result in results]
    return {"answer": judged[0] if single else judged}


def _judgement(result: dict[str, Any]) -> Judgement:
    categories = result.get("categories") or {}
    scores = result.get("category_scores") or {}
    return Judgement(
        bool(result.get("flagged")),
        sorted(name for name, applies in categories.items() if applies),
        {name: float(score) for name, score in scores.items() if score is not None},
    )


async def draw(job: Job, line: Line) -> dict[str, Any]:
    """Make images, and return where they are."""
    prompt = job.prompt()
    body = _with_options(job, {"model": line.model, "prompt": prompt})
    count = int(body.get("n") or 1)
    expected = Usage(input_tokens=estimate_tokens(prompt), images=count)
    reply = await line.ask("images", body, line.client.draw, expected, Usage(images=count))
    made = [_image(each) for each in reply.body.get("data") or []]
    if not made:
        raise EmptyAnswer("images: there is none in the answer")
    extension = job.request.file_format or "png"
    uris = [await job.write(f"image-{n}.{extension}", content) for n, content in enumerate(made)]
    return {"answer": uris if job.is_list("answer") else uris[0]}


def _image(each: dict[str, Any]) -> bytes:
    if each.get("b64_json"):
        return base64.b64decode(each["b64_json"])
    if each.get("url"):
        raise TaskError(
            "images: found an address in the answer, expected the image: set options={'response_format': 'b64_json'} "
            "for this model, as its addresses end after an hour",
            code="OPENAI.IMAGE_BY_ADDRESS",
        )
    raise MalformedReply("images: found neither an image nor an address in the answer")


async def transcribe(job: Job, line: Line) -> dict[str, Any]:
    """Return what is said in a recording."""
    name = job.request.subject or ""
    given = job.attempt.inputs.get(name)
    if not isinstance(given, FileRef):
        raise invalid(f"input {name!r}", given, "a FlyteFile with a recording")
    file = await job.agent.blocking(files.read, f"input {name!r}", given.uri, ("audio",))
    body = _with_options(job, {"model": line.model})
    typed = job.is_record("answer")
    if typed and line.model.startswith("whisper"):
        body.setdefault("response_format", "verbose_json")

    def send(asked: dict[str, Any], timeout_s: float) -> Awaitable[Reply]:
        return line.client.transcribe(asked, (file.name, file.content, file.media_type), timeout_s)

    reply = await line.ask("audio.transcriptions", body, send, Usage())
    text = reply.body.get("text")
    if not isinstance(text, str):
        raise MalformedReply("audio.transcriptions: found no text in the answer")
    duration = reply.body.get("duration")
    made = Transcript(text, str(reply.body.get("language") or ""), float(duration or 0.0))
    return {"answer": dataclasses.asdict(made) if typed else text}


async def speak(job: Job, line: Line) -> dict[str, Any]:
    """Have a text spoken, and return where the recording is."""
    text = job.prompt()
    if not text.strip() or len(text) > MAX_SPOKEN_CHARS:
        raise invalid("text", f"{len(text)} characters", f"1 to {MAX_SPOKEN_CHARS}", "Split it.")
    extension = job.request.file_format or "mp3"
    asked = {"model": line.model, "input": text, "voice": "alloy", "response_format": extension}
    body = _with_options(job, asked)
    used = Usage(characters=len(text))
    reply = await line.ask("audio.speech", body, line.client.speak, used, used)
    if not reply.content:
        raise EmptyAnswer("audio.speech: there is no sound in the answer")
    return {"answer": await job.write(f"speech.{extension}", reply.content)}


def _texts(job: Job) -> tuple[list[str], bool]:
    """Return the texts of the input, and whether it is one."""
    name = job.request.subject or ""
    value = job.attempt.inputs.get(name)
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts:
        raise invalid(f"input {name!r}", value, "a text, or a list of at least one")
    for number, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            raise invalid(f"input {name!r}, item {number}", text, "a text that is not empty")
    return texts, isinstance(value, str)


def _with_options(job: Job, body: dict[str, Any]) -> dict[str, Any]:
    return {**body, **job.request.options, **job.request.config.parameters}


KINDS: Mapping[str, Callable[[Job, Line], Awaitable[dict[str, Any]]]] = {
    "chat": chat.run,
    "embedding": embed,
    "moderation": moderate,
    "image": draw,
    "transcription": transcribe,
    "speech": speak,
}
