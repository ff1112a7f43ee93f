"""Who may do what: tokens, OAuth clients, permissions on jobs."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .errors import ApiError

USER = "local@workspace.invalid"
"""An administrator; the owner of the token that is always there."""

TOKEN = "dapi-local-workspace"  # noqa: S105  # opens nothing but a stand-in
"""Its token."""

LIFETIME_S = 3600
LEVELS = ("CAN_VIEW", "CAN_MANAGE_RUN", "CAN_MANAGE", "IS_OWNER")
"""Permissions on jobs; each includes those before it."""

_WHO = ("user_name", "group_name", "service_principal_name")


@dataclass
class Grant:
    """A token that was issued."""

    user: str
    expires_s: float


@dataclass
class Access:
    """
    Tokens and permissions.

    Attributes:
        clients: OAuth clients: secret by id.
        tokens: What each token stands for.
        denied: Routes that a user may not call; ``*`` for all users.
    """

    clients: Mapping[str, str] = field(default_factory=dict)
    tokens: dict[str, Grant] = field(default_factory=dict)
    denied: dict[str, set[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def issue(self, user: str, lifetime_s: float = LIFETIME_S) -> str:
        """Return a new token of a user."""
        token = f"local-{secrets.token_urlsafe(18)}"
        with self._lock:
            self.tokens[token] = Grant(user, time.monotonic() + lifetime_s)
        return token

    def expire(self, token: str = "") -> None:
        """End one token, or all."""
        with self._lock:
            for name in [token] if token else list(self.tokens):
                self.tokens[name].expires_s = 0.0

    def deny(self, route: str, user: str = "*") -> None:
        """Let a user, or everybody, have no permission for a route such as ``runs.submit``."""
        self.denied.setdefault(route, set()).add(user)

    def allow(self, route: str) -> None:
        """Take that back."""
        self.denied.pop(route, None)

    def user_of(self, authorization: str, route: str) -> str:
        """
        Return who asks.

        Raises:
            ApiError: A 401 without a token or with an old one, a 403 with one that is not known or may not.
        """
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise ApiError(
                401,
                "Credential was not sent or was of an unsupported type for this API.",
                status=401,
            )
        grant = self.tokens.get(token)
        if grant is None:
            raise ApiError(403, "Invalid access token.", status=403)
        if grant.expires_s <= time.monotonic():
            raise ApiError(401, "Token is expired.", status=401)
        if self.denied.get(route, set()) & {grant.user, "*"}:
            raise ApiError(
                "PERMISSION_DENIED", f"User {grant.user} does not have permission for {route}."
            )
        return grant.user


def check(user: str, creator: str, acl: list[dict[str, Any]], needed: str, what: str) -> None:
    """
    Look whether a user has a permission; administrators and owners have all.

    Raises:
        ApiError: They have not.
    """
    if user in (USER, creator):
        return
    wanted = LEVELS.index(needed)
    for entry in acl:
        is_theirs = user in [entry.get(name) for name in _WHO] or entry.get("group_name") == "users"
        if is_theirs and LEVELS.index(entry.get("permission_level", "CAN_VIEW")) >= wanted:
            return
    raise ApiError("PERMISSION_DENIED", f"User {user} does not have {needed} permission on {what}.")


def checked(acl: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Return an access control list. Raises ``ApiError``."""
    for entry in acl or []:
        if (
            entry.get("permission_level") not in LEVELS
            or sum(bool(entry.get(name)) for name in _WHO) != 1
        ):
            raise ApiError(
                "INVALID_PARAMETER_VALUE",
                f"access_control_list: found {entry}, expected one of {', '.join(_WHO)} and a permission_level of "
                f"{', '.join(LEVELS)}.",
            )
    return list(acl or [])


def permissions_body(object_id: str, creator: str, acl: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the permissions of a job as the API shows them."""
    owner: dict[str, Any] = {"user_name": creator, "permission_level": "IS_OWNER"}
    entries = [owner, *acl] if all(each["permission_level"] != "IS_OWNER" for each in acl) else acl
    shown = [
        {
            **{name: each[name] for name in _WHO if each.get(name)},
            "all_permissions": [{"permission_level": each["permission_level"], "inherited": False}],
        }
        for each in entries
    ]
    return {"object_id": object_id, "object_type": "job", "access_control_list": shown}
