"""The conformance kit's suite for sync agents."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.lib.azure import MutuallyExclusiveAuthError

from flyte_agent_openai_sync.agent import OpenAIAgent
from flyte_agent_openai_sync.errors import to_agent_error
from flyte_agent_testing.conformance import ServerBackend, SyncAgentConformance
from flyte_agent_testing.templates import create_request, task_template


class Models(ServerBackend):
    """OpenAI, as the kit wants to treat it."""

    routes = {"do": ("chat",)}
    faults = {
        "unavailable": {"reason": "engine_overloaded"},
        "throttled": {"reason": "rate_limit_exceeded"},
        "denied": {"reason": "permission_denied"},
        "missing": {"reason": "model_not_found"},
    }


def library_errors() -> list[Any]:
    """Every exception class that the vendor's library has."""
    found = [*vars(openai._exceptions).values(), MutuallyExclusiveAuthError]
    return list({cls for cls in found if inspect.isclass(cls) and issubclass(cls, Exception)})


class TestOpenAIConformance(SyncAgentConformance):
    agent_type = OpenAIAgent
    plugin_module, vendor_modules = "flyte_agent_openai_sync.plugin", ("openai",)
    vendor_errors, error_of = library_errors(), staticmethod(to_agent_error)
    secret_names = ("openai-api-key",)

    @pytest.fixture
    def backend(self, vendor: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        # Replicas that share a store ask once; without one, each asks by itself.
        monkeypatch.setenv("FLYTE_AGENT_OPENAI_STORE", str(tmp_path))
        vendor.models = dict.fromkeys(vendor.models, 10_000_000)
        return Models(vendor)

    @pytest.fixture
    def task(self, carrying: Callable[[Any], Any]) -> Any:
        return carrying("What is there to say?")

    @pytest.fixture
    def carrying(self) -> Callable[[Any], Any]:
        def carry(value: Any) -> Any:
            if isinstance(value, int):
                return _chat({"seed": str(value) if abs(value) > 2**53 else value}, "Hello.")
            return _chat({}, value)

        return carry

    @pytest.fixture
    def broken_tasks(self) -> Any:
        return {
            "heat": _chat({"heat": 1}, "Hello."),
            "no-such-secret": _chat({"credentials": "no-such-secret"}, "Hello."),
            "gpt-0": _chat({"model": "gpt-0"}, "Hello."),
            "base_url": _chat({"base_url": "https://elsewhere.example/v1"}, "Hello."),
        }


def _chat(config: dict[str, Any], text: str) -> Any:
    custom = {
        "kind": "chat",
        "config": {"model": "gpt-4.1-mini", **config},
        "messages": [{"role": "user", "text": "{text}"}],
    }
    template = task_template(
        "openai_sync", custom=custom, inputs={"text": str}, outputs={"answer": str}
    )
    return create_request(template, {"text": text})
