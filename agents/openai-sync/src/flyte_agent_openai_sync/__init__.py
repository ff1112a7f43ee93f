"""
Ask OpenAI's models from Flyte tasks.

::

    from flyte_agent_openai_sync import ChatTask, OpenAIConfig

Names are loaded when they are used: flytekit imports this package whether it is used or not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent import OpenAIAgent
    from .answers import ToolCall
    from .config import Message, OpenAIConfig, Target
    from .kinds import Judgement, Transcript
    from .receipt import Receipt
    from .task import (
        ChatTask,
        EmbeddingTask,
        ImageTask,
        ModerationTask,
        SpeechTask,
        TranscriptionTask,
    )

_HOMES = {
    "ChatTask": "task",
    "EmbeddingTask": "task",
    "ImageTask": "task",
    "Judgement": "kinds",
    "Message": "config",
    "ModerationTask": "task",
    "OpenAIAgent": "agent",
    "OpenAIConfig": "config",
    "Receipt": "receipt",
    "SpeechTask": "task",
    "Target": "config",
    "ToolCall": "answers",
    "Transcript": "kinds",
    "TranscriptionTask": "task",
}

__all__ = [
    "ChatTask",
    "EmbeddingTask",
    "ImageTask",
    "Judgement",
    "Message",
    "ModerationTask",
    "OpenAIAgent",
    "OpenAIConfig",
    "Receipt",
    "SpeechTask",
    "Target",
    "ToolCall",
    "Transcript",
    "TranscriptionTask",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# flytekit imports every installed agent while it is imported itself. Whichever of the two a program
# imports first, that must not happen while a module of this package is half imported: hence the
# lazy names above, and this import before any of them.
import flytekit as _flytekit  # noqa: E402, F401  # must come last
