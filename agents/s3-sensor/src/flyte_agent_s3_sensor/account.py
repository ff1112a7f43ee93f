"""As whom and where a sensor looks: by reference, never by value."""

from __future__ import annotations

import functools
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from flyte_agent_core import secrets

from .config_access import S3Config

if TYPE_CHECKING:
    from flyte_agent_core.secrets import Secret


class Account(NamedTuple):
    """
    What finds the client of a sensor; equal for sensors that may share one, and its answers.

    Attributes:
        access: The :class:`S3Config` as JSON.
        flyte_project: Whose secrets it names, if it names any.
        flyte_domain: The same.
    """

    access: str = "{}"
    flyte_project: str = ""
    flyte_domain: str = ""

    @property
    def config(self) -> S3Config:
        """How to reach the bucket."""
        return _parsed(self.access)


def account_of(config: S3Config, flyte_project: str = "", flyte_domain: str = "") -> Account:
    """Return the account of a configuration; whose it is matters only if it names secrets."""
    access = json.dumps(config.to_custom(), sort_keys=True, separators=(",", ":"))
    if config.credentials or config.web_identity or config.sse_c_key:
        return Account(access, flyte_project, flyte_domain)
    return Account(access)


@functools.lru_cache(maxsize=4096)
def _parsed(access: str) -> S3Config:
    return S3Config.from_custom(json.loads(access))


_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
    "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CA_BUNDLE",
)  # fmt: skip
"""What a client takes from the environment, which a notebook may change from one run to the next."""


def fingerprint(account: Account) -> tuple[str | None, ...]:
    """Return what changes when a secret of the account is replaced, or its surroundings; kept in memory only."""
    config = account.config
    names = (config.credentials, config.web_identity, config.sse_c_key)
    secret = (secret_of(account, name).reveal() for name in names if name)
    return (*secret, *map(os.environ.get, _ENVIRONMENT))


def secret_of(account: Account, name: str) -> Secret:
    """
    Return a secret that the account names.

    Raises:
        InvalidConfig: It is not there.
    """
    return secrets.resolve(name, project=account.flyte_project, domain=account.flyte_domain)
