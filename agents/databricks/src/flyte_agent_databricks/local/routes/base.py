"""What the groups of routes share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flyte_agent_databricks.local.access import Access
from flyte_agent_databricks.local.compute import Clusters
from flyte_agent_databricks.local.errors import ApiError
from flyte_agent_databricks.local.flow import Flow
from flyte_agent_databricks.local.script import Script
from flyte_agent_databricks.local.statements import Statements
from flyte_agent_databricks.local.store import Store
from flyte_agent_testing.server import FakeServer, Reply, Request

EMPTY = Reply(200, {})


class ApiServer(FakeServer):
    """A server with the parts that routes work on; :class:`.server.LocalDatabricks` makes them."""

    access: Access
    clusters: Clusters
    flow: Flow
    queries: dict[str, dict[str, Any]]
    root: Path
    script: Script
    statements: Statements
    store: Store

    def user(self, request: Request) -> str:
        """Return who asks; raises ``ApiError`` for nobody."""
        return self.access.user_of(
            (request.header(b"authorization") or b"").decode("latin-1"), request.route
        )


def body_of(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request. Raises ``ApiError`` for anything else."""
    try:
        found = request.json if request.body else {}
    except (ValueError, RecursionError):
        raise ApiError(
            "MALFORMED_REQUEST", "Could not parse request object: expected JSON."
        ) from None
    if not isinstance(found, dict):
        raise ApiError("MALFORMED_REQUEST", "Could not parse request object: expected an object.")
    return found


def number(
    query: dict[str, str], name: str, default: int, *, least: int = 0, most: int = 2**62
) -> int:
    """Return a whole number of the query string. Raises ``ApiError`` for anything else."""
    written = query.get(name)
    if written is None:
        return default
    if not written.isdigit() or not least <= int(written) <= most:
        raise ApiError(
            "INVALID_PARAMETER_VALUE",
            f"{name}: found {written[:40]!r}, expected {least} to {most}.",
        )
    return int(written)


def flag(query: dict[str, str], name: str) -> bool:
    """Return a yes or no of the query string."""
    return query.get(name, "").lower() == "true"
