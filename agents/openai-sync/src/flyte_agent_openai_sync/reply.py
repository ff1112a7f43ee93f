"""An answer of OpenAI's, as it came."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import MalformedReply

if TYPE_CHECKING:
    from collections.abc import Mapping


class Reply(NamedTuple):
    """
    An answer.

    Attributes:
        body: The JSON; empty for audio.
        content: The bytes.
        headers: By lower-case name.
        took_s: Seconds it took.
    """

    body: dict[str, Any]
    content: bytes
    headers: Mapping[str, str]
    took_s: float

    @property
    def request_id(self) -> str:
        """The provider's id of the request."""
        return self.headers.get("x-request-id") or self.headers.get("apim-request-id") or ""


def json_of(content: bytes, method: str) -> dict[str, Any]:
    """
    Return the JSON of an answer.

    Raises:
        MalformedReply: It is none, or says 200 and has an error in it.
    """
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict) or set(body) == {"error"}:
        raise MalformedReply(
            f"{method}: the server answered 200 with something else than an answer: {_shown(content)}"
        )
    return body


def _shown(content: bytes) -> str:
    return repr(content[:200].decode("utf-8", "replace"))
