"""Whose key goes where, and what the client is set up with."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openai_support import answer_of, attempt_of, chat_custom

from flyte_agent_core import Phase, rpc
from flyte_agent_core.secrets import Secret
from flyte_agent_openai_sync.account import Account, is_below
from flyte_agent_openai_sync.agent import OpenAIAgent
from flyte_agent_openai_sync.client import OpenAIClient
from flyte_agent_testing.server import FakeServer, Reply, Request, route

Do = Callable[..., Any]


def azure(vendor: Any, **config: Any) -> dict[str, Any]:
    return chat_custom(
        model="gpt-4o", config={"provider": "azure", "base_url": vendor.url, **config}
    )


@pytest.fixture
def allowed(vendor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_BASE_URLS", vendor.url)


@pytest.mark.usefixtures("allowed")
def test_azure_is_asked_with_its_key_and_the_deployment(
    vendor: Any, do: Do, monkeypatch: Any
) -> None:
    monkeypatch.setenv("_FSEC_AZURE_OPENAI_API_KEY", "azure-key-0000")
    resource = do(custom=azure(vendor, api_version="2024-12-01-preview"))

    assert resource.phase is Phase.SUCCEEDED, resource.message
    (request,) = vendor.requests
    assert request.path == "/openai/deployments/gpt-4o/chat/completions"
    assert request.query == {"api-version": "2024-12-01-preview"}
    assert request.headers["api-key"] == "azure-key-0000"


class Identity(FakeServer):
    """Azure's managed identity, as App Service offers it."""

    @route("GET", "/token")
    def token(self, request: Request) -> Reply:
        """See https://learn.microsoft.com/azure/app-service/overview-managed-identity for the form."""
        if request.headers.get("x-identity-header") != "secret-header":
            return Reply(401, {"error": "no"})
        return Reply(
            200, {"access_token": "entra-token", "expires_on": "4102444800", "token_type": "Bearer"}
        )


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Iterator[Identity]:
    with Identity() as server:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/token")
        monkeypatch.setenv("IDENTITY_HEADER", "secret-header")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "prod")
        yield server


@pytest.mark.usefixtures("allowed", "identity")
def test_azure_is_asked_with_a_token_of_entra_id(vendor: Any, do: Do) -> None:
    resource = do(custom=azure(vendor, auth="entra"))

    assert resource.phase is Phase.SUCCEEDED, resource.message
    assert vendor.requests[0].headers["authorization"] == "Bearer entra-token"


@pytest.mark.usefixtures("allowed")
def test_an_identity_that_gives_no_token_is_told(
    vendor: Any, do: Do, identity: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    resource = do(custom=azure(vendor, auth="entra"))
    assert resource.error_code == "OPENAI.NO_TOKEN", resource.message


def test_an_address_the_service_does_not_allow_never_sees_a_key(vendor: Any, do: Do) -> None:
    resource = do(custom=chat_custom(config={"base_url": "http://127.0.0.1:9/v1"}))
    assert "FLYTE_AGENT_OPENAI_BASE_URLS" in resource.message
    assert do(custom=azure(vendor)).phase is Phase.FAILED


def test_another_server_that_speaks_the_same_is_asked(
    vendor: Any, do: Do, monkeypatch: Any
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_BASE_URLS", "https://x.example, " + vendor.url)
    assert (
        answer_of(do(custom=chat_custom(config={"base_url": f"{vendor.url}/v1/"})))
        == "Say something."
    )


@pytest.mark.parametrize(
    ("address", "root", "expected"),
    [
        ("https://a.example/v1", "https://a.example/v1", True),
        ("https://a.example/v1/x", "https://a.example", True),
        ("https://a.example.evil/v1", "https://a.example", False),
        ("https://a.example/v10", "https://a.example/v1", False),
    ],
)
def test_what_is_below_an_allowed_address(address: str, root: str, expected: bool) -> None:
    assert is_below(address, root) is expected


def test_nobody_there_is_told_with_the_cause(vendor: Any, do: Do, monkeypatch: Any) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    resource = do()
    assert (resource.phase, resource.error_code) == (Phase.RETRYABLE_FAILED, "OPENAI.UNREACHABLE")


def test_the_platforms_proxy_is_used(vendor: Any, do: Do, monkeypatch: Any) -> None:
    class Proxy(FakeServer):
        def not_found(self, request: Request) -> Reply:
            return Reply(418, {"error": {"message": f"proxied {request.headers['host']}"}})

    with Proxy() as proxy:
        monkeypatch.setenv("FLYTE_AGENT_OPENAI_PROXY", proxy.url)
        monkeypatch.setenv("OPENAI_BASE_URL", "http://openai.invalid/v1")
        assert "proxied openai.invalid" in do().message


def test_authorities_of_the_platform_are_trusted(
    vendor: Any, do: Do, monkeypatch: Any, tmp_path: Path
) -> None:
    path = ssl.get_default_verify_paths().cafile or ""
    monkeypatch.setenv(
        "FLYTE_AGENT_OPENAI_CA_FILE", path if Path(path).is_file() else str(tmp_path)
    )
    answer = do()
    assert answer.phase is (Phase.SUCCEEDED if Path(path).is_file() else Phase.FAILED)
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_CA_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("_FSEC_OPENAI_API_KEY", "sk-another-key-000")
    assert do(node="n1").error_code == "OPENAI.BAD_SETTING"


async def all_at_once(agent: OpenAIAgent, calls: int) -> None:
    with rpc.serving(30.0):
        for number in range(3):
            await agent.do(attempt_of(node=f"first-{number}"))
        await asyncio.gather(*(agent.do(attempt_of(node=f"n{n}")) for n in range(calls)))


def test_one_client_serves_all_calls_of_an_account(
    vendor: Any, agent: OpenAIAgent, running: Any
) -> None:
    running(all_at_once(agent, 8))
    assert len(agent.runtime.clients) == 2, "what calls share, and one client"
    assert vendor.connections <= 8


def test_no_thread_is_started_for_what_is_known() -> None:
    """The library would ask for its name of the system in a thread, one for each client."""
    account = Account("openai", "http://127.0.0.1:1/v1", Secret("sk-test-key"), "digest")
    client = OpenAIClient(account)

    async def opened() -> Any:
        return await client._sdks.get()

    sdk = asyncio.run(opened())
    assert sdk._platform == sdk.platform_headers()["X-Stainless-OS"]


def findings(agent: OpenAIAgent, running: Any) -> dict[str, tuple[str, str]]:
    return {each.check: (each.level, each.message) for each in running(agent.check_health())}


def test_doctor_finds_a_service_that_works(vendor: Any, agent: OpenAIAgent, running: Any) -> None:
    running(agent.warm_up())
    found = findings(agent, running)
    levels = {name: level for name, (level, _) in found.items()}
    assert levels == {"endpoint": "warning", "settings": "ok", "credentials": "ok", "models": "ok"}
    assert f"{len(vendor.models)} models" in found["models"][1]


def test_doctor_says_what_is_wrong(
    vendor: Any, agent: OpenAIAgent, running: Any, monkeypatch: Any, tmp_path: Path
) -> None:
    vendor.faults.add("models", status=401, message="bad key")
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"models": {"m": {"inptu": 1}}}))
    monkeypatch.setenv("FLYTE_AGENT_OPENAI_PRICES", str(prices))
    found = findings(agent, running)
    assert found["models"][0] == found["settings"][0] == "error"
    monkeypatch.delenv("_FSEC_OPENAI_API_KEY")
    assert findings(agent, running)["credentials"][0] == "warning"


def test_doctor_names_the_address(agent: OpenAIAgent, running: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("_FSEC_OPENAI_API_KEY")
    assert findings(agent, running)["endpoint"] == ("ok", "https://api.openai.com/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://llm.example/v1")
    assert findings(agent, running)["endpoint"][0] == "ok"
