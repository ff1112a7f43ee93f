"""What the service asks of its Kubernetes: a secret of a namespace, or a token of a service account there."""

from __future__ import annotations

import base64
import os
import pathlib
from typing import Any

import requests

from flyte_agent_core import RetryableError, TaskError

_MOUNTED = "/var/run/secrets/kubernetes.io/serviceaccount"
_TIMEOUT_S = (2.0, 5.0)
_FOLDER = "FLYTE_AGENT_KUBERNETES_ACCOUNT_DIR"


def is_there() -> bool:
    """Whether the service runs in a pod that may talk to Kubernetes."""
    return bool(os.environ.get("KUBERNETES_SERVICE_HOST")) and (_folder() / "token").is_file()


def secret(namespace: str, name: str, key: str) -> str | None:
    """
    Return one value of a secret; ``None`` if there is none, or it may not be read.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1/
    """
    found = _ask("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
    data = (found or {}).get("data") or {}
    return base64.b64decode(data[key]).decode().strip() if key in data else None


def service_accounts(namespace: str, label: str) -> list[dict[str, Any]]:
    """Return the service accounts of a namespace with a label ``name=value``."""
    found = _ask("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"labelSelector": label})
    items: list[dict[str, Any]] = (found or {}).get("items") or []
    return items


def service_account_token(namespace: str, name: str, audience: str) -> str:
    """
    Return a token of a service account, made for ``audience`` and good for an hour.

    Raises:
        TaskError: The service may not make one, or there is no such account.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
    """
    spec = {"audiences": [audience], "expirationSeconds": 3600}
    found = _ask(
        "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", body={"spec": spec}
    )
    token = ((found or {}).get("status") or {}).get("token")
    if not token:
        raise TaskError(
            f"no token for service account {namespace}/{name}: it does not exist, or the agent service may not "
            "make one. "
            "Grant the service's account 'create' on serviceaccounts/token there.",
            code="DATABRICKS.CREDENTIALS",
        )
    return str(token)


def _ask(
    method: str, path: str, query: dict[str, str] | None = None, body: dict[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return an object of Kubernetes'; ``None`` if it is not there or not allowed."""
    if not is_there():
        return None
    host, port = (
        os.environ["KUBERNETES_SERVICE_HOST"],
        os.environ.get("KUBERNETES_SERVICE_PORT", "443"),
    )
    scheme = os.environ.get("KUBERNETES_SERVICE_SCHEME", "https")
    authority = _folder() / "ca.crt"
    try:
        answer = requests.request(
            method,
            f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}{path}",
            params=query,
            json=body,
            headers={"Authorization": f"Bearer {(_folder() / 'token').read_text().strip()}"},
            verify=str(authority) if authority.is_file() else True,
            timeout=_TIMEOUT_S,
        )
    except requests.RequestException as error:
        raise RetryableError(f"Kubernetes cannot be reached: {type(error).__name__}") from error
    if answer.status_code in (401, 403, 404):
        return None
    if not answer.ok:
        raise RetryableError(f"Kubernetes answered {answer.status_code}")
    found: dict[str, Any] = answer.json()
    return found


def _folder() -> pathlib.Path:
    return pathlib.Path(os.environ.get(_FOLDER, _MOUNTED))
