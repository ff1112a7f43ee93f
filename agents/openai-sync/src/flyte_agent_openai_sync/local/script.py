"""What the stand-in's next answers are, where a test wants others than it would give."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any


@dataclasses.dataclass
class Scripted:
    """
    One answer to come.

    Attributes:
        text: What it says instead of its own words.
        refusal: Why it refuses.
        finish_reason: ``length``, ``content_filter``…; at the Responses API the reason why it is incomplete.
        tool_calls: Functions it calls, as name and arguments.
        built_in: Built-in tools it uses, as items of the Responses API.
        failed: Code and message of a response that failed.
    """

    text: str | None = None
    refusal: str = ""
    finish_reason: str = ""
    tool_calls: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    built_in: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    failed: tuple[str, str] | None = None


class Script:
    """Answers to come; when there are none, the stand-in answers by itself."""

    def __init__(self) -> None:
        self._next: deque[Scripted] = deque()

    def say(self, *answers: Scripted, times: int = 1) -> None:
        """Give these answers next."""
        for _ in range(times):
            self._next.extend(answers)

    def take(self) -> Scripted:
        """Return the next one."""
        return self._next.popleft() if self._next else Scripted()
