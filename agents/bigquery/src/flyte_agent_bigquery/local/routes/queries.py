"""``jobs.query`` and ``jobs.getQueryResults``: rows, and the wait for them.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/query
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from flyte_agent_bigquery.local import rows
from flyte_agent_bigquery.local.errors import BigQueryError
from flyte_agent_bigquery.local.jobs import DONE, Job
from flyte_agent_bigquery.local.sql.scope import TableKey
from flyte_agent_testing.server import Reply, Request, route

from .base import API, body_of, number
from .jobs import JobRoutes

DEFAULT_WAIT_MS = 10_000
# Of a QueryRequest: what belongs to the job, and what to configuration.query.
_OF_JOB = ("labels", "jobTimeoutMs", "reservation", "dryRun")
_OF_QUERY = (
    "query", "defaultDataset", "useQueryCache", "useLegacySql", "parameterMode", "queryParameters",
    "connectionProperties", "maximumBytesBilled", "createSession", "destinationEncryptionConfiguration",
    "continuous", "priority",
)  # fmt: skip


class QueryRoutes(JobRoutes):
    """The results of query jobs."""

    requests_seen: dict[str, Job]

    @route("POST", API + "/{project}/queries", name="jobs.query")
    async def query(self, request: Request, project: str) -> Reply:
        """Start a query and wait a while for it."""
        body = body_of(request)
        configuration: dict[str, Any] = {name: body[name] for name in _OF_JOB if name in body}
        configuration["query"] = {name: body[name] for name in _OF_QUERY if name in body}
        job_body = {
            "configuration": configuration,
            "jobReference": {"location": body.get("location")},
        }
        if body.get("dryRun"):
            return await self.in_thread(lambda: self._dry_answer(job_body, project))
        job = self.requests_seen.get(str(body.get("requestId") or ""))
        if job is None:
            job = self.new_job(job_body, project)
            job.session_id = self.queries.session_of(job.configuration["query"])
            self.start_job(job)
            if body.get("requestId"):
                self.requests_seen[str(body["requestId"])] = job
        options = {
            f"formatOptions.{k}": str(v) for k, v in (body.get("formatOptions") or {}).items()
        }
        limit = body.get("maxResults")
        wait_ms = int(body.get("timeoutMs", DEFAULT_WAIT_MS))
        return await self._answer_rows(
            job,
            "bigquery#queryResponse",
            wait_ms,
            0,
            None if limit is None else int(limit),
            options,
        )

    def _dry_answer(self, body: dict[str, Any], project: str) -> Reply:
        totals = self.queries.dry_run(project, body["configuration"]["query"])
        return Reply(200, {
            "kind": "bigquery#queryResponse",
            "jobComplete": True,
            "jobReference": {"projectId": project, "location": self.location},
            "schema": totals["query"].get("schema", {}),
            "totalBytesProcessed": totals["totalBytesProcessed"],
            "cacheHit": False,
        })  # fmt: skip

    @route("GET", API + "/{project}/queries/{job_id}", name="jobs.getQueryResults")
    async def get_query_results(self, request: Request, project: str, job_id: str) -> Reply:
        """A page of rows, or that there are none yet."""
        query = request.query
        job = self.jobs.get(project, job_id, query.get("location", ""))
        if job.kind != "query":
            raise BigQueryError(
                "invalid", f"Cannot return results for a {job.kind} job: {project}:{job_id}"
            )
        token, start = query.get("pageToken"), number(query, "startIndex") or 0
        start = rows.decode_token(token) if token else start
        wait_ms = number(query, "timeoutMs")
        return await self._answer_rows(
            job, "bigquery#getQueryResultsResponse", DEFAULT_WAIT_MS if wait_ms is None else wait_ms,
            start, number(query, "maxResults"), query,
        )  # fmt: skip

    async def _answer_rows(
        self,
        job: Job,
        kind: str,
        wait_ms: int,
        start: int,
        limit: int | None,
        options: dict[str, str],
    ) -> Reply:
        await _wait(job, wait_ms / 1000)
        body: dict[str, Any] = {
            "kind": kind,
            "jobReference": job.reference,
            "jobComplete": job.state == DONE,
        }
        if kind == "bigquery#getQueryResultsResponse":
            body["etag"] = f"{job.created_ms}.{job.state}"
        if job.state != DONE:
            return Reply(200, body)
        if job.error is not None:
            raise job.error
        body |= self._totals(job)
        if job.session_id and kind == "bigquery#queryResponse":
            body["sessionInfo"] = {"sessionId": job.session_id}
        if (result := job.result) is not None:
            body |= await self.in_thread(lambda: self._rows(result, start, limit, options))
        return Reply(200, body)

    def _totals(self, job: Job) -> dict[str, Any]:
        found = job.statistics
        body: dict[str, Any] = {
            "totalBytesProcessed": found.get("totalBytesProcessed", "0"),
            "cacheHit": found.get("cacheHit", False),
        }
        if "numDmlAffectedRows" in found:
            body["numDmlAffectedRows"] = found["numDmlAffectedRows"]
        if job.warnings:
            body["errors"] = [error.proto() for error in job.warnings]
        return body

    def _rows(
        self, result: TableKey, start: int, limit: int | None, options: dict[str, str]
    ) -> dict[str, Any]:
        table = self.catalog.get(result)
        timestamps = rows.timestamp_format(options)
        page = rows.page(self.engine, self.catalog, table, start, limit, timestamps)
        body: dict[str, Any] = {"schema": {"fields": table.fields}, "totalRows": str(page.total)}
        if page.rows:
            body["rows"] = page.rows
        if page.token and limit != 0:
            body["pageToken"] = page.token
        return body


async def _wait(job: Job, timeout_s: float) -> None:
    """Wait on the loop, without a thread, until a job is done or the time is up."""
    if job.state == DONE or timeout_s <= 0:
        return
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed
            loop.call_soon_threadsafe(finished.set)

    job.listeners.append(tell)
    try:
        if not job.done.is_set():
            await asyncio.wait_for(finished.wait(), timeout_s)
    except asyncio.TimeoutError:
        pass
    finally:
        job.listeners.remove(tell)
