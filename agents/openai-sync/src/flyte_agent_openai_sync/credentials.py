"""Clients: one for each account, made once and shared; Entra ID where there is no key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import RetryableError, TaskError
from flyte_agent_core.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .account import Account
    from .agent import OpenAIAgent
    from .client import OpenAIClient

_SCOPE = "https://cognitiveservices.azure.com/.default"


async def client_for(agent: OpenAIAgent, account: Account) -> OpenAIClient:
    """
    Return the client of an account.

    Raises:
        TaskError: The account cannot be used as it is set up.
    """
    key = ("openai", account)
    found: OpenAIClient | None = agent.runtime.clients.find(key)
    if found is not None:
        return found
    # Importing the library takes longer than others may wait for the loop.
    return await agent.blocking(lambda: agent.pooled(key, lambda: _open(agent, account)))


def _open(agent: OpenAIAgent, account: Account) -> OpenAIClient:
    from .client import OpenAIClient

    return OpenAIClient(account, None if account.key else _entra(agent))


def _entra(agent: OpenAIAgent) -> Callable[[], Awaitable[str]]:
    """
    Return what gets tokens with the service's identity: environment, workload identity, managed identity.

    Raises:
        TaskError: The library is not installed.
    """
    try:
        from azure.identity import DefaultAzureCredential
    except ImportError as error:
        raise TaskError(
            "auth: found 'entra', which needs a library that the agent service lacks: "
            "pip install 'flyte-agent-openai-sync[azure]'",
            code="OPENAI.NO_AZURE",
        ) from error
    credential = DefaultAzureCredential()

    def get() -> str:
        return _token(credential)

    async def token() -> str:
        found: str = await agent.blocking(get)
        return found

    return token


def _token(credential: Any) -> str:
    from azure.core.exceptions import AzureError, ClientAuthenticationError

    try:
        return Secret(str(credential.get_token(_SCOPE).token)).reveal()
    except ClientAuthenticationError as error:
        raise TaskError(
            f"Entra ID gives the service no token: {error.message}", code="OPENAI.NO_TOKEN"
        ) from error
    except AzureError as error:
        raise RetryableError(
            f"Entra ID cannot be asked: {error.message}", code="OPENAI.NO_TOKEN"
        ) from error
