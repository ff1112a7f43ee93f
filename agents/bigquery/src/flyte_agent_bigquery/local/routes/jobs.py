"""``jobs``: insert, get, list, cancel, delete.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs
"""

from __future__ import annotations

import base64
import copy
import secrets
from typing import Any

from flyte_agent_bigquery.local.configuration import checked_job, job_kind
from flyte_agent_bigquery.local.errors import BigQueryError
from flyte_agent_bigquery.local.jobs import DONE, USER, Job
from flyte_agent_testing.server import Reply, Request, route

from .base import API, ApiServer, body_of, number

_PAGE = 50
_PAGE_LIMIT = 1000


class JobRoutes(ApiServer):
    """The resource ``jobs``."""

    @route("GET", API + "/{project}/jobs/{job_id}", name="jobs.get", inline=True)
    def get_job(self, request: Request, project: str, job_id: str) -> Reply:
        """The body is made once for each state: this is what is polled."""
        job = self.jobs.get(project, job_id, request.argument(b"location"))
        return Reply(200, job.body())

    @route("POST", API + "/{project}/jobs", name="jobs.insert")
    async def insert_job(self, request: Request, project: str) -> Reply:
        """Start a job, or weigh a dry run."""
        body = body_of(request)
        if (body.get("configuration") or {}).get("dryRun"):
            return await self.in_thread(lambda: self._dry_run(body, project))
        return self.insert(body, project)

    def insert(self, body: dict[str, Any], project: str, upload: bytes | None = None) -> Reply:
        """Start the job a body describes. Raises ``BigQueryError``."""
        job = self.new_job(body, project, upload)
        if job.kind == "query":
            job.session_id = self.queries.session_of(job.configuration["query"])
        # A copy: the job may be running, and changed, before the answer is written.
        answer = copy.deepcopy(job.resource())
        self.start_job(job)
        return Reply(200, answer)

    def new_job(self, body: dict[str, Any], project: str, upload: bytes | None = None) -> Job:
        """A job that is not stored yet. Raises ``BigQueryError`` for a body that cannot be one."""
        kind = job_kind(body)
        reference, configuration = checked_job(body, kind, project, uploads=upload is not None)
        location = reference.get("location") or self._location_of(configuration[kind], project)
        job_id = reference.get("jobId") or f"job_{secrets.token_urlsafe(20).replace('-', '_')}"
        return Job(project, job_id, location, configuration, kind, self.url, upload=upload)

    def _location_of(self, config: dict[str, Any], project: str) -> str:
        """Where the data is: the location of a dataset that the job names, else the server's."""
        named = str(config)
        for dataset in self.catalog.datasets(project):
            if dataset.location != self.location and dataset.name in named:
                return dataset.location
        return self.location

    def _dry_run(self, body: dict[str, Any], project: str) -> Reply:
        """A dry run is no job: it has no id, and none is used up."""
        job = self.new_job(body, project)
        if job.kind != "query":
            raise BigQueryError("invalid", "Dry runs are only supported for query jobs")
        job.totals = self.queries.dry_run(project, job.configuration["query"])
        resource = job.resource()
        resource["statistics"] = job.totals
        resource["id"] = f"{project}:{job.location}."
        resource["jobReference"] = {"projectId": project, "location": job.location}
        resource["status"] = {"state": DONE}
        del resource["selfLink"]
        return Reply(200, resource)

    @route("GET", API + "/{project}/jobs", name="jobs.list")
    def list_jobs(self, request: Request, project: str) -> Reply:
        """Newest first; the jobs of a script only when its id is asked for."""
        query, lists = request.query, request.query_lists
        states = {state.upper() for state in lists.get("stateFilter", [])}
        parent = query.get("parentJobId", "")
        first, last = number(query, "minCreationTime"), number(query, "maxCreationTime")
        found = [
            job
            for job in reversed(self.jobs.all(project))
            if (job.parent.job_id if job.parent else "") == parent
            and (not states or job.state in states)
            and (first is None or job.created_ms >= first)
            and (last is None or job.created_ms <= last)
        ]
        token = query.get("pageToken")
        if token:
            found = [job for job in found if job.sequence < _sequence(token)]
        size = min(number(query, "maxResults") or _PAGE, _PAGE_LIMIT)
        full = query.get("projection", "").lower() == "full"
        body: dict[str, Any] = {
            "kind": "bigquery#jobList",
            "etag": str(len(found)),
            "jobs": [job.listed(full=full) for job in found[:size]],
        }
        if len(found) > size:
            body["nextPageToken"] = base64.urlsafe_b64encode(
                f"job:{found[size - 1].sequence}".encode()
            ).decode()
        return Reply(200, body)

    @route("POST", API + "/{project}/jobs/{job_id}/cancel", name="jobs.cancel")
    def cancel_job(self, request: Request, project: str, job_id: str) -> Reply:
        """Answers at once; the job is DONE when it has stopped."""
        job = self.jobs.get(project, job_id, request.query.get("location", ""))
        self.scheduler.cancel(job)
        return Reply(200, {"kind": "bigquery#jobCancelResponse", "job": job.resource()})

    @route("DELETE", API + "/{project}/jobs/{job_id}/delete", name="jobs.delete")
    def delete_job(self, request: Request, project: str, job_id: str) -> Reply:
        """Forget a job and its children; not one that runs."""
        job = self.jobs.get(project, job_id, request.query.get("location", ""))
        if job.state != DONE:
            raise BigQueryError(
                "invalid", f"Job {project}:{job_id} is not done: only finished jobs can be deleted"
            )
        for old in [job, *job.children]:
            self.jobs.remove(old)
        return Reply(204)

    @route("GET", API + "/{project}/serviceAccount", name="projects.getServiceAccount", inline=True)
    def service_account(self, request: Request, project: str) -> Reply:
        """The account that BigQuery would use for keys."""
        return Reply(200, {"kind": "bigquery#getServiceAccountResponse", "email": USER})


def _sequence(token: str) -> int:
    try:
        word, _, written = base64.urlsafe_b64decode(token).decode().partition(":")
        if word == "job":
            return int(written)
    except ValueError:
        pass
    raise BigQueryError(
        "invalid", f"Invalid value for: pageToken is not a valid value: {token[:80]}"
    )
