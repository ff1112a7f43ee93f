"""
Databricks credentials from what a task may only name.

A secret holds a personal access token, or a JSON object with fields of the SDK's unified authentication; without one
it is the service's own environment that says. Its fields are checked before the SDK sees them: none may name a
program to run or a file of profiles.
Source: https://docs.databricks.com/dev-tools/auth/unified-auth
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError, secrets
from flyte_agent_core.secrets import Secret

from . import stock_access
from .links import allowed, service_host

if TYPE_CHECKING:
    from .account import Account

SENSITIVE = ("token", "client_secret", "azure_client_secret", "google_credentials", "password")
"""Fields whose values are masked in messages and logs."""

WAYS: dict[str, tuple[str, ...]] = {
    "pat": ("token",),
    "oauth-m2m": ("client_id", "client_secret"),
    "azure-client-secret": ("azure_client_id", "azure_client_secret"),
    "azure-msi": ("azure_use_msi",),
    "google-credentials": ("google_credentials",),
    "google-id": ("google_service_account",),
    "file-oidc": ("oidc_token_filepath",),
    "env-oidc": ("oidc_token_env",),
    "kubernetes-oidc": ("service_account", "client_id"),
    "basic": ("username", "password"),
}
"""How to sign in, and the fields that say so; the first way that has its fields is taken."""

FIELDS = frozenset({
    "host", "account_id", "workspace_id", "auth_type", "client_id", "token_audience", "azure_tenant_id",
    "azure_environment", "azure_workspace_resource_id", *(name for names in WAYS.values() for name in names),
})  # fmt: skip
"""Fields that a secret may have."""


def settings_of(account: Account) -> dict[str, Any]:
    """
    Return the settings of the SDK's ``Config`` for an account; empty but for ``host`` for the service's own.

    Raises:
        TaskError: The secret does not hold usable credentials, or the workspace may not be named.
    """
    if account.stock:
        found = stock_access.settings(account)
    elif account.credentials:
        secret = secrets.resolve(
            account.credentials, project=account.flyte_project, domain=account.flyte_domain
        )
        found = from_secret(secret)
    else:
        found = _of_service()
    host = allowed(account.host) or allowed(str(found.get("host") or "")) or service_host()
    if not host:
        raise TaskError(
            "host: found none in the task, in the credentials or in DATABRICKS_HOST of the agent service, expected the "
            "workspace. Set host='https://…'.",
            code="DATABRICKS.NO_HOST",
        )
    return {**found, "host": host}


def _of_service() -> dict[str, Any]:
    """Return what the SDK does not read by itself: the variables of flytekit's own plugin, and managed identity."""
    if os.environ.get("ARM_USE_MSI", "").lower() == "true" and not os.environ.get(
        "ARM_CLIENT_SECRET"
    ):
        return {"auth_type": "azure-msi", "azure_client_id": os.environ.get("ARM_CLIENT_ID")}
    own = any(
        os.environ.get(name)
        for name in ("DATABRICKS_TOKEN", "DATABRICKS_AUTH_TYPE", "DATABRICKS_CLIENT_SECRET")
    )
    return {} if own else stock_access.of_service()


def from_secret(secret: Secret) -> dict[str, Any]:
    """
    Return the settings in a secret: a token, or a JSON object with fields of :data:`FIELDS`.

    Raises:
        TaskError: It holds neither.
    """
    text = secret.reveal().strip()
    if not text.startswith("{"):
        if not text or len(text.split()) > 1:
            raise _unusable("found text with spaces in it, expected a token or a JSON object")
        return {"token": text, "auth_type": "pat"}
    try:
        found = json.loads(text)
    except ValueError:
        found = None  # the error would carry the text
    if not isinstance(found, dict):
        raise _unusable("found text that is no JSON object")
    return checked(found)


def checked(found: dict[str, Any]) -> dict[str, Any]:
    """
    Return settings with the way to sign in.

    Raises:
        TaskError: A field is not allowed, or none says how to sign in.
    """
    unknown = sorted(set(found) - FIELDS)
    if unknown:
        raise _unusable(f"found field {unknown[0]!r}, expected some of {', '.join(sorted(FIELDS))}")
    for name in SENSITIVE:
        if found.get(name):
            Secret(str(found[name]))  # masked in messages and logs from now on
    way = found.get("auth_type") or next(
        (w for w, names in WAYS.items() if all(map(found.get, names))), None
    )
    if way not in WAYS:
        ways = "; ".join(" and ".join(names) for names in WAYS.values())
        raise _unusable(f"found no way to sign in, expected the fields of one: {ways}")
    return {**{name: value for name, value in found.items() if value is not None}, "auth_type": way}


def fingerprint(settings: dict[str, Any]) -> str:
    """Return what tells two sets of settings apart, to be hashed by who keeps it."""
    return json.dumps(settings, sort_keys=True, default=str)


def _unusable(problem: str) -> TaskError:
    return TaskError(
        f"The secret named in 'credentials' cannot be used: {problem}. Store a personal access token in it, or "
        "JSON such "
        'as {"host": "https://…", "client_id": "…", "client_secret": "…"}.',
        code="DATABRICKS.CREDENTIALS",
    )
