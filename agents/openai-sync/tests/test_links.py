"""Pages about an answer."""

from __future__ import annotations

import pytest

from flyte_agent_openai_sync.links import links_of


@pytest.mark.parametrize(
    ("address", "response_id", "url"),
    [
        ("https://api.openai.com/v1", "resp_1/2", "https://platform.openai.com/logs/resp_1/2"),
        ("https://api.openai.com/v1", "", "https://platform.openai.com/usage"),
        ("https://acme.openai.azure.com", "x", "https://ai.azure.com"),
        ("https://llm.example/v1", "x", "https://llm.example/v1/models"),
    ],
)
def test_each_provider_has_its_page(address: str, response_id: str, url: str) -> None:
    assert list(links_of(address, response_id).values()) == [url]
