"""
Google credentials from what a task may only name.

A secret's content is checked before Google's library sees it: it must be of a known kind, must not name a program to
run, and may send tokens to nobody but Google. Google asks for this check of credentials from outside:
https://cloud.google.com/docs/authentication/external/externally-sourced-credentials
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import google.auth
import google.auth.aws
import google.auth.external_account_authorized_user
import google.auth.identity_pool
import google.oauth2.credentials
import google.oauth2.service_account
from google.auth import impersonated_credentials
from google.auth.credentials import AnonymousCredentials

from flyte_agent_core import TaskError
from flyte_agent_core.secrets import Secret

from .links import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.auth.credentials import Credentials

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

_AWS_TOKEN = "urn:ietf:params:aws:token-type:aws4_request"  # noqa: S105  # the name of a kind of token
_ADDRESSES = (
    "token_uri", "token_url", "token_info_url", "revoke_url", "service_account_impersonation_url"
)  # fmt: skip
_IAM = "https://iamcredentials.googleapis.com"


def load(secret: Secret | None, impersonate: Sequence[str] = ()) -> tuple[Credentials, str]:
    """
    Return credentials and the project they belong to (``""`` when they do not say).

    Args:
        secret: A credential file's JSON; ``None`` for the service's own (application default credentials), or none
            at all when BigQuery is a stand-in: real tokens do not travel over plain HTTP unasked.
        impersonate: Service accounts to become, one after the other.

    Raises:
        TaskError: The secret does not hold usable credentials.
    """
    if secret is not None:
        credentials, project = _from_secret(secret)
    elif endpoint().startswith("http://"):
        return AnonymousCredentials(), os.environ.get("GOOGLE_CLOUD_PROJECT", "")
    else:
        credentials, found = google.auth.default(scopes=SCOPES)
        project = found or ""
    return (_become(credentials, impersonate) if impersonate else credentials), project


def kind_of(credentials: Credentials) -> str:
    """Return what sort of credentials these are, in words, and the account if they name one."""
    if isinstance(credentials, AnonymousCredentials):
        return "none: a stand-in needs none"
    module = type(credentials).__module__.rpartition(".")[2]
    kind = _KINDS.get(module, f"{module.replace('_', ' ')} credentials")
    account = getattr(credentials, "service_account_email", None)
    return f"{kind} of {account}" if isinstance(account, str) and "@" in account else kind


_KINDS = {
    "service_account": "a service account's key",
    "credentials": "a person's credentials, or those of the machine",
    "identity_pool": "workload identity federation",
    "impersonated_credentials": "impersonation",
}


def _from_secret(secret: Secret) -> tuple[Credentials, str]:
    try:
        info = json.loads(secret.reveal())
    except ValueError:
        info = None  # the error would carry the text
    if not isinstance(info, dict):
        raise _unusable(
            "found text that is not a JSON object, expected the content of a credential file"
        )
    return _from_info(info), str(info.get("project_id") or info.get("quota_project_id") or "")


def _from_info(info: dict[str, Any]) -> Credentials:
    kind = str(info.get("type"))
    loader = _LOADERS.get(kind)
    if loader is None:
        raise _unusable(f"found type {kind[:40]!r}, expected one of {', '.join(_LOADERS)}")
    _check_addresses(info)
    for name in ("private_key", "client_secret", "refresh_token"):
        if info.get(name):
            Secret(str(info[name]))  # masked in messages and logs from now on
    try:
        return loader(info)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        problem = (
            f"{kind} is not complete or not valid ({type(error).__name__}: {str(error)[:200]})"
        )
    raise _unusable(problem)


def _check_addresses(info: dict[str, Any]) -> None:
    for name in _ADDRESSES:
        if info.get(name) and not _is_googles(str(info[name])):
            raise _unusable(
                f"found {name} at {urlsplit(str(info[name])).hostname!r}, expected an https address of "
                "Google's: tokens would be sent there"
            )


def _is_googles(address: str) -> bool:
    parts, stand_in = urlsplit(address), urlsplit(endpoint())
    if endpoint() and parts[:2] == stand_in[:2]:
        return True  # a stand-in chosen by the service's operator signs in, too
    universe = os.environ.get("GOOGLE_CLOUD_UNIVERSE_DOMAIN") or "googleapis.com"
    homes = (".googleapis.com", ".google.com", f".{universe}")
    return parts.scheme == "https" and f".{parts.hostname or ''}".endswith(homes)


def _external(info: dict[str, Any]) -> Credentials:
    source = info.get("credential_source")
    if isinstance(source, dict) and "executable" in source:
        raise _unusable(
            "found an external account that runs a program on the agent service, expected one that reads a file, a "
            "URL or AWS's metadata"
        )
    module = (
        google.auth.aws
        if info.get("subject_token_type") == _AWS_TOKEN
        else google.auth.identity_pool
    )
    credentials: Credentials = module.Credentials.from_info(info, scopes=SCOPES)
    return credentials


def _impersonated(info: dict[str, Any]) -> Credentials:
    source = _from_info(dict(info["source_credentials"]))
    target = str(info["service_account_impersonation_url"]).rsplit("/", 1)[-1].split(":")[0]
    return _become(source, [*info.get("delegates", ()), target])


def _become(source: Credentials, accounts: Sequence[str]) -> Credentials:
    """Return credentials of the last account, which each one before it may impersonate."""
    iam = endpoint() if endpoint().startswith("http://") else _IAM
    target = accounts[-1]
    credentials: Credentials = impersonated_credentials.Credentials(
        source_credentials=source,
        target_principal=target,
        delegates=[_resource_name(account) for account in accounts[:-1]],
        target_scopes=list(SCOPES),
        iam_endpoint_override=None
        if iam == _IAM
        else f"{iam}/v1/projects/-/serviceAccounts/{target}:generateAccessToken",
    )
    return credentials


def _resource_name(account: str) -> str:
    """
    Return a service account in the form ``generateAccessToken`` takes its delegates in.

    Source: https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
    """
    return account if "/" in account else f"projects/-/serviceAccounts/{account}"


_LOADERS: dict[str, Callable[[dict[str, Any]], Credentials]] = {
    "service_account": lambda info: (
        google.oauth2.service_account.Credentials.from_service_account_info(info, scopes=SCOPES)
    ),
    "authorized_user": lambda info: google.oauth2.credentials.Credentials.from_authorized_user_info(
        info, scopes=SCOPES
    ),
    "external_account": _external,
    "external_account_authorized_user": lambda info: (
        google.auth.external_account_authorized_user.Credentials.from_info(info, scopes=SCOPES)
    ),
    "impersonated_service_account": _impersonated,
}


def _unusable(problem: str) -> TaskError:
    return TaskError(
        f"The secret named in 'credentials' cannot be used: {problem}. Store a service account key or an external "
        "account configuration in it.",
        code="BIGQUERY.CREDENTIALS",
    )
