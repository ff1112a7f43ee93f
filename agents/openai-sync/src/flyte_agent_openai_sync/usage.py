"""What calls used: added up over all calls of an attempt, also those whose answer was not good enough."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass
class Usage:
    """
    What one call used, or several.

    Attributes:
        input_tokens: Tokens of the prompt, the cached ones included.
        cached_tokens: Those of them that the provider had seen before.
        output_tokens: Tokens of the answer, those of reasoning included.
        reasoning_tokens: Those of them that were thought and not said.
        characters: Characters that were spoken.
        seconds: Seconds of sound that were transcribed.
        images: Images that were made.
    """

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    characters: int = 0
    seconds: float = 0.0
    images: int = 0

    @property
    def total_tokens(self) -> int:
        """Tokens of prompt and answer."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        """Return both together."""
        names = [field.name for field in dataclasses.fields(self)]
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in names})


def usage_in(body: dict[str, Any]) -> Usage:
    """Return what an answer says it used; the two APIs name the same differently."""
    said = body.get("usage")
    if not isinstance(said, dict):
        return Usage()
    return Usage(
        input_tokens=_first(said, "input_tokens", "prompt_tokens"),
        cached_tokens=_detail(
            said, "cached_tokens", "input_tokens_details", "prompt_tokens_details"
        ),
        output_tokens=_first(said, "output_tokens", "completion_tokens"),
        reasoning_tokens=_detail(
            said, "reasoning_tokens", "output_tokens_details", "completion_tokens_details"
        ),
        seconds=float(said.get("seconds") or 0.0)
        if isinstance(said.get("seconds"), (int, float))
        else 0.0,
    )


def _first(said: dict[str, Any], *names: str) -> int:
    return next((int(said[name]) for name in names if isinstance(said.get(name), (int, float))), 0)


def _detail(said: dict[str, Any], name: str, *parts: str) -> int:
    return sum(_first(part, name) for each in parts if isinstance(part := said.get(each), dict))
