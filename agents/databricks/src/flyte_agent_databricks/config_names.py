"""Names: hosts, secrets, keys of tasks."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from flyte_agent_core.fields import invalid

_SECRET = re.compile(r"(?=.{1,127}\Z)[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*")
_KEY = re.compile(r"[\w-]{1,100}", re.ASCII)
_HELD = re.compile(r"\{\{\s*secrets/[^/{}]+/[^/{}]+\s*\}\}")
_SECRETIVE = re.compile(r"(?i)(?:^|_|\.)(?:password|passwd|secret|token|access_key|api_key)$")


def normal_host(host: str) -> str:
    """
    Return the address of a workspace as ``https://name``, whatever was copied from a browser.

    A path, a query such as ``?o=123`` and a trailing slash are dropped; a missing scheme is ``https``.
    """
    text = host.strip()
    if not text:
        return ""
    parts = urlsplit(text if "://" in text else f"https://{text}")
    place = parts.netloc.rpartition("@")[2].lower()
    return f"{parts.scheme}://{place.removesuffix(':443') if parts.scheme == 'https' else place}"


def check_host(where: str, host: str) -> None:
    """
    Refuse what is no address of a workspace.

    Raises:
        InvalidConfig: It is not.
    """
    parts = urlsplit(normal_host(host))
    if host and (
        parts.scheme not in ("https", "http") or not re.fullmatch(r"[\w.-]+", parts.hostname or "")
    ):
        raise invalid(
            where,
            host,
            "the address of a workspace such as 'https://adb-123.4.azuredatabricks.net'",
        )


def check_secret(where: str, name: str) -> None:
    """
    Refuse what is no reference to a secret.

    Raises:
        InvalidConfig: It is not; what was found is not shown, since it may be the secret itself.
    """
    if name and (not _SECRET.fullmatch(name) or name.startswith(("dapi", "dose"))):
        raise invalid(
            where, "text that is no reference", "the name of a secret that the agent service has",
            "Name the secret; never write a token into a task.",
        )  # fmt: skip


def check_key(where: str, key: Any) -> str:
    """
    Return the key of a task, a cluster or an environment.

    Raises:
        InvalidConfig: It is none.
    """
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise invalid(where, key, "1 to 100 letters, digits, '_' and '-'")
    return key


def check_held(where: str, value: str) -> None:
    """
    Refuse a secret that is written out.

    Raises:
        InvalidConfig: It is no reference to a Databricks secret.
    """
    if not _HELD.fullmatch(value):
        raise invalid(
            where, "a value written out", "a reference such as '{{secrets/scope/key}}'",
            "Flyte keeps the configuration of a task where many can read it.",
        )  # fmt: skip


def check_no_secrets(where: str, variables: dict[str, str]) -> None:
    """
    Refuse variables or options that are called like a secret and hold no reference.

    Raises:
        InvalidConfig: There is one.
    """
    for name, value in variables.items():
        if _SECRETIVE.search(name) and value:
            check_held(f"{where}[{name!r}]", value)
