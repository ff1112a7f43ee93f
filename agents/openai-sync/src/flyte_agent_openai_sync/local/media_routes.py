"""The routes that take or give images and sounds."""

from __future__ import annotations

import email
import email.policy
from typing import Any

from flyte_agent_testing.server import Reply, Request, route

from .faults import refuse
from .media import image, speech, transcript
from .words import count_tokens

_SOUNDS = ("wav", "pcm")
_FORMATS = ("png", "jpeg", "webp")


class MediaRoutes:
    """Images, speech, transcription."""

    _model_of: Any
    _metered: Any

    @route("POST", "/v1/images/generations", name="images")
    @route("POST", "/openai/deployments/{deployment}/images/generations", name="images")
    def draw(self, request: Request, deployment: str = "") -> Reply:
        """See https://platform.openai.com/docs/api-reference/images/create for the form."""
        body = request.json
        model = self._model_of(body, deployment)
        wanted = body.get("output_format", "png")
        if wanted not in _FORMATS:
            raise refuse(
                "invalid_value", f"'output_format' must be one of {_FORMATS}", "output_format"
            )
        headers = self._metered(request, model, str(body.get("prompt")))
        size = str(body.get("size") or "auto")
        data = [
            {"b64_json": image(f"{body['prompt']} {n or ''}".strip(), size, wanted)}
            for n in range(int(body.get("n") or 1))
        ]
        tokens = count_tokens(str(body["prompt"]))
        usage = {
            "input_tokens": tokens,
            "output_tokens": 272 * len(data),
            "total_tokens": tokens + 272 * len(data),
        }
        return Reply(200, {"created": 1_700_000_000, "data": data, "usage": usage}, headers)

    @route("POST", "/v1/audio/speech", name="speech")
    @route("POST", "/openai/deployments/{deployment}/audio/speech", name="speech")
    def speak(self, request: Request, deployment: str = "") -> Reply:
        """See https://platform.openai.com/docs/api-reference/audio/createSpeech for the form."""
        body = request.json
        model = self._model_of(body, deployment)
        wanted = body.get("response_format", "mp3")
        if wanted not in _SOUNDS:
            said = f"the stand-in makes {' and '.join(_SOUNDS)} only, not {wanted}: use FlyteFile['wav']"
            raise refuse("invalid_value", said, "response_format")
        headers = self._metered(request, model, str(body.get("input")))
        return Reply(200, speech(str(body["input"])), {**headers, "content-type": "audio/wav"})

    @route("POST", "/v1/audio/transcriptions", name="transcriptions")
    @route("POST", "/openai/deployments/{deployment}/audio/transcriptions", name="transcriptions")
    def transcribe(self, request: Request, deployment: str = "") -> Reply:
        """See https://platform.openai.com/docs/api-reference/audio/createTranscription for the form."""
        form = _form(request)
        model = self._model_of({"model": form.get("model", b"").decode()}, deployment)
        headers = self._metered(request, model, "")
        text, length_s = transcript(form.get("file", b""))
        made: dict[str, Any] = {"text": text}
        if form.get("response_format") == b"verbose_json":
            made |= {"language": "english", "duration": length_s, "segments": []}
        return Reply(200, made, headers)


def _form(request: Request) -> dict[str, bytes]:
    """Return the parts of a multipart body by name."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + request.body, policy=email.policy.HTTP)
    parts = message.iter_parts() if message.is_multipart() else ()
    return {
        str(part.get_param("name", header="content-disposition")): _content(part) for part in parts
    }


def _content(part: Any) -> bytes:
    found: bytes = part.get_payload(decode=True)
    return found
