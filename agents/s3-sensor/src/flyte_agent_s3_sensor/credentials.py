"""AWS credentials from what a task may only name."""

from __future__ import annotations

import base64
import configparser
import functools
import json
from typing import TYPE_CHECKING, Any

from botocore import UNSIGNED
from botocore.config import Config as BotoConfig
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    AssumeRoleWithWebIdentityCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.session import Session

from flyte_agent_core import TaskError, secrets

from .account import secret_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyte_agent_core.secrets import Secret

    from .account import Account

SESSION_NAME = "flyte-agent-s3-sensor"
REGION = "us-east-1"
"""Where to begin when nobody says; S3 tells the right one, and the SDK follows."""

_TIMEOUTS = BotoConfig(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 1})
_SSE_C_BYTES = 32
# What describes AWS's services is read from disk once, not for each client: 0.05 s instead of 0.4 s.
_LOADER = Session().get_component("data_loader")


def session_of(account: Account) -> Session:
    """
    Return a session that has the account's credentials, and renews them.

    Raises:
        TaskError: A secret is not there, or does not hold what it should.
    """
    session, config = Session(), account.config
    session.register_component("data_loader", _LOADER)
    source = None
    if config.credentials:
        source = _from_secret(secret_of(account, config.credentials))
    if config.roles:
        source = _become(session, account, source)
    if source is not None:
        session._credentials = source  # noqa: SLF001  # set_credentials takes none that renew themselves
    return session


def kind_of(session: Session) -> str:
    """Return what sort of credentials these are, in words; empty for none."""
    found = session.get_credentials()
    return "" if found is None else _KINDS.get(found.method, str(found.method))


_KINDS = {
    "env": "an access key in the environment",
    "assume-role": "a role that was assumed",
    "assume-role-with-web-identity": "a role for a web identity token",
    "shared-credentials-file": "an access key in AWS's credentials file",
    "config-file": "an access key in AWS's configuration file",
    "container-role": "the role of the container",
    "iam-role": "the role of the machine",
    "sso": "a person's single sign-on",
}


def customer_key(account: Account) -> bytes | None:
    """
    Return the key of objects encrypted with the customer's own, if the account names one.

    Raises:
        TaskError: The secret is not there, or has not the form of a key.
    """
    name = account.config.sse_c_key
    if not name:
        return None
    text = secret_of(account, name).reveal()
    key = text.encode() if len(text) == _SSE_C_BYTES else _decoded(text)
    if len(key) != _SSE_C_BYTES:
        raise TaskError(
            "The secret named in 'sse_c_key' cannot be used: expected 32 bytes, as they are or in base64.",
            code="S3.CREDENTIALS",
        )
    return key


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""


def _from_secret(secret: Secret) -> Credentials:
    found = _pairs(secret.reveal())
    key, hidden, token = (_first(found, names) for names in _NAMES)
    if not key or not hidden:
        raise TaskError(
            "The secret named in 'credentials' cannot be used: expected JSON with aws_access_key_id and "
            "aws_secret_access_key (and aws_session_token for a temporary key), or the same as a profile "
            "of AWS's credentials file.",
            code="S3.CREDENTIALS",
        )
    for value in (hidden, token):
        secrets.Secret(value)  # masked in messages and logs from now on
    return Credentials(key, hidden, token or None, method="secret")


_NAMES = (
    ("aws_access_key_id", "AccessKeyId"),
    ("aws_secret_access_key", "SecretAccessKey"),
    ("aws_session_token", "SessionToken"),
)


def _first(found: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((str(found[name]) for name in names if found.get(name)), "")


def _pairs(text: str) -> dict[str, Any]:
    """Return names and values of JSON or of a profile; nothing, rather than an error with the text."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError:
            return {}
        inner = found.get("Credentials")
        return inner if isinstance(inner, dict) else found
    profile = configparser.RawConfigParser()
    try:
        profile.read_string(text if text.lstrip().startswith("[") else f"[default]\n{text}")
    except configparser.Error:
        return {}
    return dict(profile[profile.sections()[0]]) if profile.sections() else {}


def _become(session: Session, account: Account, source: Any) -> Any:
    """Return credentials of the last role, which each one before it may assume."""
    config = account.config
    create = functools.partial(
        session.create_client,
        region_name=config.region or session.get_config_variable("region") or REGION,
        endpoint_url=config.endpoint_url,
        config=_TIMEOUTS,
    )
    for number, role in enumerate(config.roles):
        extra = {"RoleSessionName": SESSION_NAME}
        if config.external_id and number == len(config.roles) - 1:
            extra["ExternalId"] = config.external_id
        if config.web_identity and number == 0:
            fetch, method = _by_token(create, account, role), "assume-role-with-web-identity"
        else:
            fetch, method = (
                _by_role(create, source or session.get_credentials(), role, extra),
                "assume-role",
            )
        source = DeferredRefreshableCredentials(method=method, refresh_using=fetch)
    return source


def _by_role(
    create: Callable[..., Any], source: Any, role: str, extra: dict[str, str]
) -> Callable[[], Any]:
    if source is None:
        raise TaskError(
            "The agent service has no AWS identity that could assume the role: give its pod a role, or name "
            "a secret in 'credentials'.",
            code="S3.NO_CREDENTIALS",
        )
    fetcher = AssumeRoleCredentialFetcher(create, source, role, extra_args=extra)
    return fetcher.fetch_credentials  # type: ignore[no-any-return]  # botocore has no types


def _by_token(create: Callable[..., Any], account: Account, role: str) -> Callable[[], Any]:
    def unsigned(service: str, config: BotoConfig | None = None, **options: Any) -> Any:
        return create(
            service, config=_TIMEOUTS.merge(BotoConfig(signature_version=UNSIGNED)), **options
        )

    name = account.config.web_identity or ""
    fetcher = AssumeRoleWithWebIdentityCredentialFetcher(
        unsigned,
        web_identity_token_loader=lambda: secret_of(account, name).reveal(),
        role_arn=role,
        extra_args={"RoleSessionName": SESSION_NAME},
    )
    return fetcher.fetch_credentials  # type: ignore[no-any-return]  # as above
