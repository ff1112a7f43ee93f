"""Whose key is sent where: found out in the service, from references only."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.fields import invalid
from flyte_agent_core.secrets import Secret

from . import settings

if TYPE_CHECKING:
    from flyte_agent_core import Attempt

    from .config import Target

OPENAI = "https://api.openai.com/v1"
API_VERSION = "2024-10-21"
"""Azure's, where the task names none."""

KEY = "openai-api-key"
"""The secret looked up where a task names none; then flytekit's stock one, then ``OPENAI_API_KEY``."""

_STOCK_KEY = "flyte_openai_api_key"
_AZURE_KEY = "azure-openai-api-key"


@dataclasses.dataclass(frozen=True)
class Account:
    """
    What a client is made for.

    Attributes:
        provider: ``openai`` or ``azure``.
        address: Of the API.
        key: The key; ``None`` for Entra ID.
        api_version: Azure's.
        organization: As the task says.
        project: The same.
        headers: The same.
    """

    provider: str
    address: str
    key: Secret | None = dataclasses.field(compare=False)
    digest: str
    api_version: str = ""
    organization: str = ""
    project: str = ""
    headers: tuple[tuple[str, str], ...] = ()


def account_of(target: Target, attempt: Attempt) -> Account:
    """
    Return the account of a target.

    Raises:
        TaskError: The address is not allowed, or there is no key.
    """
    address = address_of(target)
    key = None if target.auth == "entra" else _key(target, attempt)
    said = key.reveal() if key else "entra"
    return Account(
        provider=target.provider,
        address=address,
        key=key,
        digest=hashlib.sha256(said.encode()).hexdigest()[:16],
        api_version=(target.api_version or API_VERSION) if target.provider == "azure" else "",
        organization=target.organization or "",
        project=target.project or "",
        headers=tuple(sorted(target.headers.items())),
    )


def default_address() -> str:
    """Return where the service's own environment says that OpenAI is."""
    return (os.environ.get("OPENAI_BASE_URL", "").strip() or OPENAI).rstrip("/")


def address_of(target: Target) -> str:
    """
    Return the address of a target.

    Raises:
        InvalidConfig: The service does not allow it: whoever chooses the address receives the key.
    """
    if target.base_url is None:
        return default_address()
    address = target.base_url.rstrip("/")
    allowed = [OPENAI, default_address(), *settings.listed("BASE_URLS")]
    if "*" in allowed or any(is_below(address, each) for each in allowed):
        return address
    raise invalid(
        "base_url", target.base_url, f"one of {', '.join(allowed)}",
        f"Ask the platform team to add it to {settings.PREFIX}BASE_URLS of the agent service: the key is sent there.",
    )  # fmt: skip


def is_below(address: str, root: str) -> bool:
    """Whether an address is ``root`` or something below it; a host's name must match in full."""
    root = root.rstrip("/")
    return address == root or address.startswith(root + "/")


def _key(target: Target, attempt: Attempt) -> Secret:
    if target.credentials:
        return attempt.secret(target.credentials)
    return service_key(attempt.secret, target.provider)


def service_key(find: Any, provider: str = "openai") -> Secret:
    """
    Return the service's own key.

    Raises:
        TaskError: There is none.
    """
    names = [_AZURE_KEY] if provider == "azure" else [KEY, _STOCK_KEY]
    for name in names:
        try:
            return found if (found := find(name)).reveal() else _missing(names)
        except InvalidConfig:
            continue
    variable = "AZURE_OPENAI_API_KEY" if provider == "azure" else "OPENAI_API_KEY"
    if value := os.environ.get(variable, "").strip():
        return Secret(value)
    return _missing(names)


def _missing(names: list[str]) -> Secret:
    raise TaskError(
        f"credentials: found no key in the agent service, expected the secret {' or '.join(names)}. Name a secret of "
        "the service in 'credentials' of the task, or ask the platform team for a key of the service's own.",
        code="OPENAI.NO_KEY",
    )
