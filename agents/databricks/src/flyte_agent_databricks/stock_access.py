"""
How tasks of flytekit's own plugin sign in: its variables, its secrets of a namespace, its service accounts.

The order is the plugin's (flytekitplugins-spark 1.16.31, ``databricks_auth.py``): what the task says, then the
environment; a secret of the workflow's namespace before the service's own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError, secrets
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.secrets import Secret

from . import kubernetes_api

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .account import Account

TOKEN = "FLYTE_DATABRICKS_ACCESS_TOKEN"  # noqa: S105  # a variable's name
"""Secret or variable with the token of flytekit's plugin."""

AUTH_TYPES = ("pat", "oauth_m2m", "oidc_federation")

_LABEL = "flyte.org/databricks-enabled=true"
_CLIENT_ID, _AUDIENCE = "flyte.org/databricks-client-id", "flyte.org/databricks-audience"
_PROJECTED = "/var/run/secrets/databricks/token"


def said(custom: Mapping[str, Any], namespace: str) -> tuple[tuple[str, str], ...]:
    """
    Return how a task signs in: what it says itself, then what the environment says.

    Raises:
        TaskError: It names a way that there is not.
    """
    environ = os.environ.get
    found = {
        "auth_type": custom.get("databricksAuthType")
        or environ("FLYTE_DATABRICKS_AUTH_TYPE")
        or "pat",
        "client_id": custom.get("databricksClientId") or environ("DATABRICKS_CLIENT_ID"),
        "oauth_secret": custom.get("databricksOauthSecret")
        or environ("FLYTE_DATABRICKS_OAUTH_SECRET_NAME"),
        "token_secret": custom.get("databricksTokenSecret"),
        "oidc_token_file": custom.get("databricksOidcTokenFile")
        or environ("FLYTE_DATABRICKS_OIDC_TOKEN_FILE"),
        "oidc_audience": custom.get("databricksOidcAudience")
        or environ("FLYTE_DATABRICKS_OIDC_AUDIENCE"),
        "namespace": namespace,
    }
    if found["auth_type"] not in AUTH_TYPES:
        raise InvalidConfig(
            f"databricksAuthType: found {found['auth_type']!r}, expected one of {', '.join(AUTH_TYPES)}"
        )
    return tuple((name, str(value)) for name, value in found.items() if value)


def of_service() -> dict[str, Any]:
    """Return the service's own token, if it has one under the plugin's name."""
    token = _token()
    return {"token": token.reveal(), "auth_type": "pat"} if token else {}


def settings(account: Account) -> dict[str, Any]:
    """
    Return the settings of the SDK's ``Config``.

    Raises:
        TaskError: None can be found; the message says where was looked.
    """
    names = dict(account.stock)
    return _WAYS[names.get("auth_type", "pat")](names, account)


def _pat(names: dict[str, str], account: Account) -> dict[str, Any]:
    namespace, name = names.get("namespace", ""), names.get("token_secret") or "databricks-token"
    held = kubernetes_api.secret(namespace, name, "token") if namespace else None
    token = Secret(held) if held else _token(account)
    if token is None and names.get("carried"):
        token = Secret(names["carried"])
    if token is not None:
        return {"token": token.reveal(), "auth_type": "pat"}
    raise _none(
        f"secret {name!r} (key 'token') of namespace {namespace or '(none)'}, or {TOKEN} of the agent service"
    )


def _m2m(names: dict[str, str], account: Account) -> dict[str, Any]:
    namespace, name = names.get("namespace", ""), names.get("oauth_secret") or "databricks-oauth"
    client_id = names.get("client_id", "")
    found = None
    if namespace:
        found = kubernetes_api.secret(namespace, name, "client_secret")
        client_id = kubernetes_api.secret(namespace, name, "client_id") or client_id
    found = found or os.environ.get("DATABRICKS_CLIENT_SECRET")
    if not (client_id and found):
        raise _none(
            f"secret {name!r} (keys 'client_id', 'client_secret') of namespace {namespace or '(none)'}, or "
            "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET of the agent service"
        )
    return {
        "client_id": client_id,
        "client_secret": Secret(found).reveal(),
        "auth_type": "oauth-m2m",
    }


def _federated(names: dict[str, str], account: Account) -> dict[str, Any]:
    namespace = names.get("namespace", "")
    audience = names.get("oidc_audience") or "databricks"
    found = _account_of(names, namespace, audience)
    if found is not None:
        return {**found, "auth_type": "kubernetes-oidc"}
    candidates = (
        names.get("oidc_token_file"),
        os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"),
        _PROJECTED,
    )
    file = next((path for path in candidates if path and os.path.exists(path)), None)  # noqa: PTH110  # no path yet
    if not file or not names.get("client_id"):
        raise _none(
            "a labelled service account of the namespace, or a token file and DATABRICKS_CLIENT_ID"
        )
    return {
        "client_id": names["client_id"],
        "oidc_token_filepath": file,
        "token_audience": audience,
        "auth_type": "file-oidc",
    }


def _account_of(names: dict[str, str], namespace: str, audience: str) -> dict[str, Any] | None:
    """Return the service account that signs in for a namespace: the one of the metadata, or the labelled one."""
    if names.get("oidc_service_account") and namespace:
        place = f"{namespace}/{names['oidc_service_account']}"
        return {
            "service_account": place,
            "client_id": names.get("client_id"),
            "token_audience": audience,
        }
    made = []
    for item in kubernetes_api.service_accounts(namespace, _LABEL) if namespace else ():
        notes = item["metadata"].get("annotations") or {}
        if notes.get(_CLIENT_ID):
            place = f"{namespace}/{item['metadata']['name']}"
            wanted = notes.get(_AUDIENCE) or audience
            made.append({
                "service_account": place,
                "client_id": notes[_CLIENT_ID],
                "token_audience": wanted,
            })
    if len(made) > 1:
        accounts = ", ".join(sorted(str(found["service_account"]) for found in made))
        raise TaskError(
            f"service accounts for Databricks: found {accounts}, expected one. Remove the label from the rest."
        )
    return made[0] if made else None


def _token(account: Account | None = None) -> Secret | None:
    if os.environ.get(TOKEN):
        return Secret(os.environ[TOKEN])
    project, domain = (account.flyte_project, account.flyte_domain) if account else ("", "")
    try:
        return secrets.resolve(TOKEN, project=project, domain=domain)
    except TaskError:
        return None


def _none(places: str) -> TaskError:
    return TaskError(
        f"no credentials for Databricks: looked for {places}. Ask the platform team to set one of these.",
        code="DATABRICKS.CREDENTIALS",
    )


_WAYS = {"pat": _pat, "oauth_m2m": _m2m, "oidc_federation": _federated}
