"""Tokens: what google-auth asks for with a key, with workload identity, and for impersonation.

Source: https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs

from flyte_agent_testing.server import Reply, Request, route

from .base import ApiServer, body_of

LIFETIME_S = 3600
_OPEN = ("oauth.token", "sts.token", "")
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a kind of token
_GRANTS = (
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "refresh_token",
)


class AuthRoutes(ApiServer):
    """Issues tokens, and can ask for them."""

    require_auth: bool
    tokens: set[str]

    def admit(self, request: Request) -> Reply | None:
        """With ``require_auth``, only requests with a token of ours."""
        if not self.require_auth or request.route in _OPEN:
            return None
        header = request.header(b"authorization") or b""
        if header[:7].lower() == b"bearer " and header[7:].decode() in self.tokens:
            return None
        message = (
            "Request had invalid authentication credentials. Expected OAuth 2 access token, "
            "login cookie or other valid authentication credential."
        )
        detail = {
            "message": message,
            "domain": "global",
            "reason": "authError",
            "location": "Authorization",
            "locationType": "header",
        }
        error = {"code": 401, "message": message, "errors": [detail], "status": "UNAUTHENTICATED"}
        return Reply(
            401,
            {"error": error},
            {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'},
        )

    def issue_token(self) -> str:
        """A new access token."""
        token = f"ya29.local-{secrets.token_urlsafe(24)}"
        self.tokens.add(token)
        return token

    @route("POST", "/token", name="oauth.token", inline=True)
    def oauth_token(self, request: Request) -> Reply:
        """A token for a signed assertion of a service account, or a refresh token."""
        return self._exchanged(request)

    @route("POST", "/v1/token", name="sts.token", inline=True)
    def sts_token(self, request: Request) -> Reply:
        """A token for one of another identity provider."""
        return self._exchanged(request, issued_token_type=_ACCESS_TOKEN)

    def _exchanged(self, request: Request, **more: Any) -> Reply:
        form = parse_qs(request.body.decode("utf-8", "replace"))
        grant = form.get("grant_type", [""])[0]
        if grant not in _GRANTS:
            found = {
                "error": "unsupported_grant_type",
                "error_description": f"Invalid grant_type: {grant[:80]}",
            }
            return Reply(400, found)
        proof = form.get("assertion") or form.get("subject_token") or form.get("refresh_token")
        if not proof:
            return Reply(
                400,
                {"error": "invalid_grant", "error_description": "No assertion or token was sent"},
            )
        return Reply(200, {
            "access_token": self.issue_token(), "expires_in": LIFETIME_S, "token_type": "Bearer", **more,
        })  # fmt: skip

    @route(
        "POST", "/v1/projects/-/serviceAccounts/{email}:generateAccessToken",
        name="iam.generateAccessToken", inline=True,
    )  # fmt: skip
    def generate_access_token(self, request: Request, email: str) -> Reply:
        """A token of another service account."""
        if not body_of(request).get("scope"):
            error = {
                "code": 400,
                "message": "Request contains an invalid argument: scope",
                "status": "INVALID_ARGUMENT",
            }
            return Reply(400, {"error": error})
        end = datetime.now(timezone.utc) + timedelta(seconds=LIFETIME_S)
        return Reply(
            200,
            {"accessToken": self.issue_token(), "expireTime": end.strftime("%Y-%m-%dT%H:%M:%SZ")},
        )
