"""
Signing in as the managed identity of an Azure machine, which databricks-sdk for Python lacks.

Source: https://learn.microsoft.com/azure/databricks/dev-tools/auth/azure-mi and
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

import requests

from . import sdk

if TYPE_CHECKING:
    from collections.abc import Callable

_DATABRICKS = "2ff814a6-3304-4ab8-85cb-cd0e6f879c1d"
_EARLY_S = 300.0
_TIMEOUT_S = (2.0, 10.0)


def strategy(_unused: str = "") -> Any:
    """Return the SDK's ``CredentialsStrategy`` for a managed identity."""
    base = sdk.core().CredentialsStrategy

    def auth_type(_self: Any) -> str:
        return "azure-msi"

    def call(_self: Any, config: Any) -> Callable[[], dict[str, str]]:
        return Identity(config.azure_client_id or "", config.azure_workspace_resource_id or "")

    return type("ManagedIdentity", (base,), {"auth_type": auth_type, "__call__": call})()


class Identity:
    """
    Returns headers with a token of the machine's identity, a new one before the old one ends.

    Args:
        client_id: Which identity, where the machine has several; ``""`` for the one it has.
        resource_id: The workspace's Azure resource, for an identity that is no user of the workspace.
    """

    def __init__(self, client_id: str, resource_id: str) -> None:
        self._client_id, self._resource_id = client_id, resource_id
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, float]] = {}

    def __call__(self) -> dict[str, str]:
        """Return the headers."""
        headers = {"Authorization": f"Bearer {self._token(_DATABRICKS)}"}
        if self._resource_id:
            headers["X-Databricks-Azure-Workspace-Resource-Id"] = self._resource_id
            headers["X-Databricks-Azure-SP-Management-Token"] = self._token(
                "https://management.core.windows.net/"
            )
        return headers

    def _token(self, resource: str) -> str:
        with self._lock:
            token, ends_s = self._kept.get(resource, ("", 0.0))
            if time.time() > ends_s - _EARLY_S:
                token, ends_s = self._kept[resource] = self._fetch(resource)
            return token

    def _fetch(self, resource: str) -> tuple[str, float]:
        place = os.environ.get(
            "AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://169.254.169.254"
        ).rstrip("/")
        query = {"api-version": "2018-02-01", "resource": resource}
        if self._client_id:
            query["client_id"] = self._client_id
        answer = requests.get(
            f"{place}/metadata/identity/oauth2/token",
            query,
            headers={"Metadata": "true"},
            timeout=_TIMEOUT_S,
        )
        if not answer.ok:
            raise ValueError(
                f"azure-msi: the machine's identity service answered {answer.status_code}"
            )
        found = answer.json()
        return str(found["access_token"]), float(found["expires_on"])
