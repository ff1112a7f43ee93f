"""Jobs: create, get, list, change, delete, and their permissions, in the API's versions 2.0 to 2.2.

Source: https://docs.databricks.com/api/workspace/jobs
"""

from __future__ import annotations

from typing import Any

from flyte_agent_databricks.local import access
from flyte_agent_databricks.local.bodies import job_body
from flyte_agent_databricks.local.errors import ApiError
from flyte_agent_databricks.local.records import Job
from flyte_agent_databricks.local.settings import normalized
from flyte_agent_databricks.local.store import now_ms
from flyte_agent_testing.server import Reply, Request, route

from .base import EMPTY, ApiServer, body_of, flag, number

API = "/api/{version}/jobs"
_PERMISSIONS = "/api/2.0/permissions/jobs/{job_id}"


class JobRoutes(ApiServer):
    """The resource ``jobs``."""

    @route("POST", f"{API}/create", name="jobs.create", inline=True)
    def new_job(self, request: Request, version: str) -> Reply:
        """Keep the settings of a job."""
        body = body_of(request)
        acl = access.checked(body.pop("access_control_list", None))
        settings = normalized(body, is_submit=False)
        job = Job(self.store.new_id(), settings, self.user(request), now_ms(), acl)
        self.store.jobs[job.job_id] = job
        return Reply(200, {"job_id": job.job_id})

    @route("GET", f"{API}/get", name="jobs.get", inline=True)
    def get_job(self, request: Request, version: str) -> Reply:
        """Tasks and so on come by the hundred."""
        job = self._job(request, request.argument(b"job_id"), "CAN_VIEW")
        return Reply(200, job_body(job, page=number(request.query, "page_token", 0)))

    @route("GET", f"{API}/list", name="jobs.list", inline=True)
    def list_jobs(self, request: Request, version: str) -> Reply:
        """Newest first; by name, whatever its case."""
        query = request.query
        size = number(query, "limit", 20, least=1, most=100)
        before = number(query, "page_token", 0)
        wanted = query.get("name", "").lower()
        found = [
            job
            for job in sorted(self.store.jobs.values(), key=lambda job: -job.job_id)
            if (not before or job.job_id < before) and (not wanted or job.name.lower() == wanted)
        ]
        shown = [job_body(job, whole=flag(query, "expand_tasks")) for job in found[:size]]
        body: dict[str, Any] = {"jobs": shown, "has_more": len(found) > size}
        if len(found) > size:
            body["next_page_token"] = str(found[size - 1].job_id)
        return Reply(200, body)

    @route("POST", f"{API}/reset", name="jobs.reset", inline=True)
    def reset_job(self, request: Request, version: str) -> Reply:
        """Replace all settings."""
        body = body_of(request)
        job = self._job(request, body.get("job_id"), "CAN_MANAGE")
        job.settings = normalized(body.get("new_settings") or {}, is_submit=False)
        return EMPTY

    @route("POST", f"{API}/update", name="jobs.update", inline=True)
    def update_job(self, request: Request, version: str) -> Reply:
        """Replace some settings; tasks with a known key are replaced, others added."""
        body = body_of(request)
        job = self._job(request, body.get("job_id"), "CAN_MANAGE")
        removed = body.get("fields_to_remove") or []
        settings = {name: value for name, value in job.settings.items() if name not in removed}
        new = dict(body.get("new_settings") or {})
        tasks = {task["task_key"]: task for task in settings.get("tasks") or []}
        tasks |= {task["task_key"]: task for task in new.pop("tasks", [])}
        job.settings = normalized(
            {**settings, **new, "tasks": list(tasks.values())}, is_submit=False
        )
        return EMPTY

    @route("POST", f"{API}/delete", name="jobs.delete", inline=True)
    def delete_job(self, request: Request, version: str) -> Reply:
        """Its runs stay."""
        job = self._job(request, body_of(request).get("job_id"), "IS_OWNER")
        del self.store.jobs[job.job_id]
        return EMPTY

    # -- permissions --------------------------------------------------------------------------------------------

    @route("GET", _PERMISSIONS, name="permissions.get", inline=True)
    def get_permissions(self, request: Request, job_id: str) -> Reply:
        """Also of the job that a submitted run has."""
        creator, acl = self._owned(job_id)
        return Reply(200, access.permissions_body(f"/jobs/{job_id}", creator, acl))

    @route("PUT", _PERMISSIONS, name="permissions.set", inline=True)
    def set_permissions(self, request: Request, job_id: str) -> Reply:
        """Replace them."""
        return self._permit(request, job_id, [])

    @route("PATCH", _PERMISSIONS, name="permissions.update", inline=True)
    def update_permissions(self, request: Request, job_id: str) -> Reply:
        """Add some."""
        return self._permit(request, job_id, self._owned(job_id)[1])

    def _permit(self, request: Request, job_id: str, before: list[dict[str, Any]]) -> Reply:
        creator, acl = self._owned(job_id)
        access.check(self.user(request), creator, acl, "CAN_MANAGE", f"job {job_id}")
        acl[:] = [*before, *access.checked(body_of(request).get("access_control_list"))]
        return self.get_permissions(request, job_id)

    def _owned(self, job_id: str) -> tuple[str, list[dict[str, Any]]]:
        if job_id.isdigit() and int(job_id) in self.store.jobs:
            job = self.store.jobs[int(job_id)]
            return job.creator, job.acl
        for run in self.store.newest():
            if str(run.job_id) == job_id:
                return run.creator, run.acl
        raise ApiError("RESOURCE_DOES_NOT_EXIST", f"Job {job_id} does not exist.")

    def _job(self, request: Request, job_id: Any, needed: str) -> Job:
        job = self.store.job(job_id)
        access.check(self.user(request), job.creator, job.acl, needed, f"job {job.job_id}")
        return job
