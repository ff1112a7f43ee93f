"""
Tokens, as databricks-sdk asks for them, and who one is.

Source: https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m and databricks-sdk's ``oauth.py``
"""

from __future__ import annotations

import base64
import binascii
from typing import Any
from urllib.parse import parse_qs

from flyte_agent_databricks.local.access import LIFETIME_S
from flyte_agent_testing.server import Reply, Request, route

from .base import ApiServer

OPEN = frozenset({"", "oidc.discovery", "oidc.token", "host.config", "results"})
"""Routes that want no token."""

_CLIENT = "client_credentials"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class AuthRoutes(ApiServer):
    """Issues tokens, and asks for them."""

    def admit(self, request: Request) -> Reply | None:
        """Let nobody in without a token that may be used for it."""
        if request.route not in OPEN:
            self.user(request)
        return None

    @route("GET", "/.well-known/databricks-config", name="host.config", inline=True)
    def host_config(self, request: Request) -> Reply:
        """What the client asks for in its constructor."""
        return Reply(
            200, {"oidc_endpoint": f"{self.url}/oidc", "workspace_id": "1", "cloud": "aws"}
        )

    @route(
        "GET", "/oidc/.well-known/oauth-authorization-server", name="oidc.discovery", inline=True
    )
    def discovery(self, request: Request) -> Reply:
        """Where tokens are."""
        found = {"authorization_endpoint": f"{self.url}/oidc/v1/authorize",
                 "token_endpoint": f"{self.url}/oidc/v1/token"}  # fmt: skip
        return Reply(200, found)

    @route("POST", "/oidc/v1/token", name="oidc.token", inline=True)
    def grant_token(self, request: Request) -> Reply:
        """A token for a client's secret, or for one of another identity provider."""
        form = {
            name: values[0]
            for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()
        }
        grant = form.get("grant_type", "")
        if grant == _CLIENT:
            return self._of_client(*_credentials(request, form))
        if grant in (_EXCHANGE, _BEARER):
            proof = form.get("subject_token") or form.get("assertion")
            if not proof:
                return _refusal(400, "invalid_request", "No token to exchange was sent")
            return self._issued(form.get("client_id") or "federated@workspace.invalid")
        return _refusal(
            400, "unsupported_grant_type", f"Grant type {grant[:80]!r} is not supported"
        )

    def _of_client(self, client_id: str, secret: str) -> Reply:
        known = self.access.clients.get(client_id)
        if known is None or known != secret:
            return _refusal(401, "invalid_client", "Client authentication failed")
        return self._issued(client_id)

    def _issued(self, user: str) -> Reply:
        token = self.access.issue(user)
        return Reply(
            200,
            {
                "access_token": token,
                "token_type": "Bearer",
                "expires_in": LIFETIME_S,
                "scope": "all-apis",
            },
        )

    @route("GET", "/api/2.0/preview/scim/v2/Me", name="current-user.me", inline=True)
    def me(self, request: Request) -> Reply:
        """Who asks."""
        user = self.user(request)
        return Reply(200, {"id": "1", "userName": user, "displayName": user, "active": True})


def _credentials(request: Request, form: dict[str, Any]) -> tuple[str, str]:
    """Id and secret, from the header or the form."""
    scheme, _, written = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
    if scheme.lower() == "basic":
        try:
            client_id, _, secret = base64.b64decode(written).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "", ""
        return client_id, secret
    return form.get("client_id", ""), form.get("client_secret", "")


def _refusal(status: int, error: str, description: str) -> Reply:
    return Reply(status, {"error": error, "error_description": description})
