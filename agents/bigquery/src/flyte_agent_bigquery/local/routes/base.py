"""What the groups of routes share."""

from __future__ import annotations

from typing import Any

from flyte_agent_bigquery.local.catalog import Catalog
from flyte_agent_bigquery.local.engine import Engine
from flyte_agent_bigquery.local.errors import BigQueryError
from flyte_agent_bigquery.local.jobs import Job, JobStore
from flyte_agent_bigquery.local.queries import QueryRunner
from flyte_agent_bigquery.local.scheduler import Scheduler
from flyte_agent_testing.server import FakeServer, Request

API = "/bigquery/v2/projects"


class ApiServer(FakeServer):
    """A server with the parts that routes work on; :class:`.server.LocalBigQuery` makes them."""

    engine: Engine
    catalog: Catalog
    jobs: JobStore
    scheduler: Scheduler
    queries: QueryRunner
    location: str

    def start_job(self, job: Job) -> None:
        """Store a job and let it run."""
        self.jobs.add(job)
        self.scheduler.submit(job)


def body_of(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises ``BigQueryError`` for anything else."""
    try:
        found = request.json
    except (ValueError, RecursionError):
        raise BigQueryError("badRequest", "Invalid JSON payload received.") from None
    if not isinstance(found, dict):
        raise BigQueryError("badRequest", "Invalid JSON payload received. Expected an object.")
    return found


def number(query: dict[str, str], name: str) -> int | None:
    """A whole number of the query string. Raises ``BigQueryError`` for anything else."""
    written = query.get(name)
    if written is None:
        return None
    try:
        return int(written)
    except ValueError:
        message = f"Invalid value at '{name}' (TYPE_UINT32), \"{written[:80]}\""
        raise BigQueryError("invalid", message, location=name) from None
