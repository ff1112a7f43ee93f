"""Signing in with the token of a Kubernetes service account, made for this purpose: OIDC federation without a file."""

from __future__ import annotations

from typing import Any

from . import kubernetes_api, sdk

AUDIENCE = "databricks"
"""Audience of the tokens unless the credentials name another."""


def strategy(service_account: str) -> Any:
    """
    Return the SDK's ``CredentialsStrategy`` for a service account.

    Args:
        service_account: ``namespace/name``.
    """
    core = sdk.core()
    namespace, _, name = service_account.partition("/")

    def auth_type(_self: Any) -> str:
        return "kubernetes-oidc"

    def call(_self: Any, config: Any) -> Any:
        return sdk.credentials_provider().oidc_credentials_provider(
            config, _Source(namespace, name, config)
        )

    return type(
        "KubernetesIdentity",
        (core.CredentialsStrategy,),
        {"auth_type": auth_type, "__call__": call},
    )()


class _Source:
    """Where the SDK gets the token from that it exchanges for one of Databricks'."""

    def __init__(self, namespace: str, name: str, config: Any) -> None:
        self._namespace, self._name = namespace, name
        self._audience = config.token_audience or AUDIENCE

    def id_token(self) -> Any:
        """Return a new token."""
        token = kubernetes_api.service_account_token(self._namespace, self._name, self._audience)
        return sdk.oidc().IdToken(jwt=token)
