"""The agent at OpenAI, or at the compatible server that ``OPENAI_BASE_URL`` names; costs a fraction of a cent."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from openai_support import answer_of, chat_custom

from flyte_agent_core import Phase

# As the process was started; in a test nothing of this machine counts.
KEY = os.environ.get("OPENAI_API_KEY", "")
CHAT = os.environ.get("FLYTE_AGENT_LIVE_OPENAI_MODEL", "gpt-4.1-mini")
EMBEDDING = "text-embedding-3-small"
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not KEY, reason="needs OPENAI_API_KEY"),
]
Do = Callable[..., Any]


@pytest.fixture(autouse=True)
def _real_key(environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_OPENAI_API_KEY", KEY)


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_question_is_answered_with_a_receipt(do: Do, api: str) -> None:
    answer = do(custom=chat_custom("Say yes. {text}", model=CHAT, api=api))
    assert answer.phase is Phase.SUCCEEDED, answer.message
    assert answer_of(answer)
    assert answer.custom_info["total_tokens"] > 0


def test_an_answer_has_the_declared_type(do: Do) -> None:
    schema = {
        "type": "object", "properties": {"value": {"type": "integer"}},
        "required": ["value"], "additionalProperties": False,
    }  # fmt: skip
    form = {"json_schema": schema, "wrapped": True}
    custom = chat_custom("What is 6 times 7? {text}", model=CHAT, answer=form)
    answer = do(custom=custom, outputs={"answer": int})
    assert answer.phase is Phase.SUCCEEDED, answer.message
    assert isinstance(answer_of(answer), int)


def test_a_text_becomes_a_vector(do: Do) -> None:
    custom = {
        "kind": "embedding",
        "config": {"model": EMBEDDING},
        "subject": "text",
        "options": {"dimensions": 8},
    }
    answer = do(custom=custom, outputs={"answer": list[float]})
    assert answer.phase is Phase.SUCCEEDED, answer.message
    assert len(answer_of(answer)) == 8


def test_a_model_that_is_not_there_is_final(do: Do) -> None:
    answer = do(custom=chat_custom(model="no-such-model-flyte"))
    assert (answer.phase, answer.error_code) == (Phase.FAILED, "OPENAI.MODEL_NOT_FOUND"), answer


def test_a_key_that_nobody_has_is_final(do: Do, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_FSEC_OPENAI_API_KEY", "sk-nobody-0123456789abcdef0123456789")
    answer = do(custom=chat_custom(model=CHAT))
    assert (answer.phase, answer.error_code) == (Phase.FAILED, "OPENAI.INVALID_API_KEY"), answer
    assert "0123456789abcdef" not in answer.message
