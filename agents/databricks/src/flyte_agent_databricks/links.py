"""Where a workspace is, and pages about a run."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flyte_agent_core import TaskError

from .config_names import normal_host

if TYPE_CHECKING:
    from collections.abc import Iterable

HOSTS = "FLYTE_AGENT_DATABRICKS_HOSTS"
"""Environment of the service: further workspaces that tasks may name, separated by commas; ``*`` for one label."""

_DATABRICKS = (
    ".cloud.databricks.com", ".gcp.databricks.com", ".azuredatabricks.net", ".databricks.azure.us",
    ".databricks.azure.cn", ".cloud.databricks.us", ".cloud.databricks.mil",
)  # fmt: skip


def service_host() -> str:
    """Return the service's own workspace; ``""`` when its environment names none."""
    said = os.environ.get("DATABRICKS_HOST") or os.environ.get("FLYTE_DATABRICKS_INSTANCE") or ""
    return normal_host(said)


def allowed(host: str) -> str:
    """
    Return the address of a workspace that a task names.

    Tokens are sent there, so it must be Databricks', the service's own or one that the service allows.

    Raises:
        TaskError: It is none of these.
    """
    address = normal_host(host)
    parts = urlsplit(address)
    if not address or address == service_host() or address in map(normal_host, _listed(plain=True)):
        return address
    name = parts.hostname or ""
    if parts.scheme == "https" and (name.endswith(_DATABRICKS) or _matches(name, _listed())):
        return address
    raise TaskError(
        f"host: found {host!r}, expected a workspace of Databricks' ({', '.join(_DATABRICKS[:3])}), or one that the "
        f"agent service allows. Tokens would be sent there: have it added to {HOSTS} of the service.",
        code="DATABRICKS.HOST_REFUSED",
    )


def _listed(*, plain: bool = False) -> list[str]:
    items = [item.strip() for item in os.environ.get(HOSTS, "").split(",") if item.strip()]
    return [item for item in items if "*" not in item] if plain else items


def _matches(name: str, patterns: Iterable[str]) -> bool:
    ready = (re.escape(pattern.lower()).replace(r"\*", "[^.]+") for pattern in patterns)
    return any(re.fullmatch(pattern, name) for pattern in ready)


def run_links(host: str, run_id: str, page: str) -> dict[str, str]:
    """Return the run's page: the one Databricks says, else the form its addresses had before it said one."""
    if page.startswith(("https://", "http://")):
        return {"Databricks run": page}
    return {"Databricks run": f"{host}/jobs/runs/{run_id}"} if host and run_id else {}


def statement_links(host: str, statement_id: str) -> dict[str, str]:
    """Return the statement's page in the query history."""
    return {"Databricks query": f"{host}/sql/history?queryId={statement_id}"} if host else {}
