"""Runs: submit, run-now, get, list, output, cancel, repair, delete, in the API's versions 2.0 to 2.2.

Source: https://docs.databricks.com/api/workspace/jobs
"""

from __future__ import annotations

from typing import Any

from flyte_agent_databricks.local import access, kinds, states
from flyte_agent_databricks.local.bodies import (
    encoded,
    listed_body,
    output_body,
    run_body,
    task_run_body,
)
from flyte_agent_databricks.local.errors import ApiError, invalid
from flyte_agent_databricks.local.parameters import OVERRIDING
from flyte_agent_databricks.local.records import Run, TaskRun
from flyte_agent_databricks.local.settings import dependencies, normalized
from flyte_agent_testing.server import Reply, Request, route

from .base import EMPTY, ApiServer, body_of, flag, number
from .jobs import API

_JSON = {"content-type": "application/json"}
_PAGE_LIMIT = 25


class RunRoutes(ApiServer):
    """The resource ``jobs/runs``."""

    @route("POST", f"{API}/runs/submit", name="runs.submit", inline=True)
    def submit_run(self, request: Request, version: str) -> Reply:
        """Start a one-time run, or return the one of the same idempotency token."""
        body = body_of(request)
        token = body.pop("idempotency_token", None) or ""
        acl = access.checked(body.pop("access_control_list", None))
        settings = normalized(body, is_submit=True)
        with self.store.lock:
            if (known := self.store.of_token(token)) is not None:
                return Reply(200, {"run_id": known.run_id})
            run = Run(
                self.store.new_id(),
                self.store.new_id(),
                "SUBMIT_RUN",
                settings,
                self.user(request),
                token,
            )
            run.acl = acl
            self._start(run)
        return Reply(200, {"run_id": run.run_id})

    @route("POST", f"{API}/run-now", name="jobs.run-now", inline=True)
    def run_now(self, request: Request, version: str) -> Reply:
        """Start a run of a job, or return the one of the same idempotency token."""
        body, user = body_of(request), self.user(request)
        job = self.store.job(body.get("job_id"))
        access.check(user, job.creator, job.acl, "CAN_MANAGE_RUN", f"job {job.job_id}")
        with self.store.lock:
            known = self.store.of_token(body.get("idempotency_token") or "")
            if known is None:
                known = self.flow.run_of(job, user, body.get("job_parameters") or {})
                known.token, known.acl = body.get("idempotency_token") or "", job.acl
                known.overriding = {name: body[name] for name in OVERRIDING if body.get(name)}
                known.settings |= {
                    name: body[name] for name in ("performance_target", "queue") if name in body
                }
                _choose(known, body.get("only"))
                self._start(known)
        return Reply(200, {"run_id": known.run_id, "number_in_job": known.run_id})

    def _start(self, run: Run) -> None:
        for task in run.settings.get("tasks") or []:
            self._check(task, run.name)
        self.flow.submit(run)

    def _check(self, task: dict[str, Any], run_name: str) -> None:
        """Refuse what could not run, before anything does."""
        kind = kinds.kind_of(task)
        if kind == "for_each_task":
            nested = task[kind]["task"]
            self._check({**nested, "task_key": f"{task['task_key']}_iteration"}, run_name)
        if task.get("existing_cluster_id"):
            self.clusters.get(task["existing_cluster_id"])
        reason = kinds.why_not(kind, task)
        if reason and not self.script.covers(kind, task["task_key"], run_name):
            raise ApiError(
                "FEATURE_DISABLED",
                f"Task {task['task_key']}: the local workspace cannot run a {kind}: {reason}. "
                f"Script what it does: script.add(Scripted(), kind={kind!r}).",
            )

    # -- looking ------------------------------------------------------------------------------------------------

    @route("GET", f"{API}/runs/get", name="runs.get", inline=True)
    def get_run(self, request: Request, version: str) -> Reply:
        """A run, or a task run; the first page is made once for each state, since this is what is polled."""
        found = self._viewed(request)
        page = request.argument(b"page_token")
        if isinstance(found, TaskRun):
            return Reply(200, task_run_body(found, self.url, page=int(page or 0)))
        history = request.argument(b"include_history").lower() == "true"
        with self.store.lock:
            if page or history:
                return Reply(
                    200,
                    run_body(
                        found,
                        self.url,
                        history=history,
                        page=number(request.query, "page_token", 0),
                    ),
                )
            if not found.body:
                found.body = encoded(run_body(found, self.url))
            return Reply(200, found.body, _JSON)

    @route("GET", f"{API}/runs/list", name="runs.list", inline=True)
    def list_runs(self, request: Request, version: str) -> Reply:
        """Newest first, at most 25 of a page."""
        query = request.query
        active, completed = flag(query, "active_only"), flag(query, "completed_only")
        if active and completed:
            raise invalid("Only one of active_only and completed_only can be true.")
        size = number(query, "limit", 20, most=_PAGE_LIMIT) or _PAGE_LIMIT
        found = []
        for run in self.store.newest(before=number(query, "page_token", 0), active_only=active):
            if _is_asked_for(run, query) and not (completed and not run.words.is_terminal):
                found.append(run)
            if len(found) > size:
                break
        shown = [self._listed(run, expand=flag(query, "expand_tasks")) for run in found[:size]]
        more = len(found) > size
        end = (
            b',"has_more":true,"next_page_token":"%d"}' % found[size - 1].run_id
            if more
            else b',"has_more":false}'
        )
        return Reply(200, b'{"runs":[' + b",".join(shown) + b"]" + end, _JSON)

    def _listed(self, run: Run, *, expand: bool) -> bytes:
        with self.store.lock:
            if expand:
                body = run_body(run, self.url)
                has_more = body.pop("next_page_token", None) is not None
                return encoded({**body, "has_more": has_more})
            if not run.listed:
                run.listed = encoded(listed_body(run, self.url))
            return run.listed

    @route("GET", f"{API}/runs/get-output", name="runs.get-output")
    def get_output(self, request: Request, version: str) -> Reply:
        """Of a task run; a run as a whole has none."""
        found = self._viewed(request)
        if isinstance(found, Run):
            raise invalid(
                "Retrieving the output of runs with multiple tasks is not supported. "
                "Please retrieve the output of each individual task run instead."
            )
        return Reply(200, output_body(found, self.url))

    def _viewed(self, request: Request) -> Run | TaskRun:
        found = self.store.run_or_task(request.argument(b"run_id"))
        self._may(request, found, "CAN_VIEW")
        return found

    def _may(self, request: Request, found: Run | TaskRun, needed: str) -> None:
        run = found.run if isinstance(found, TaskRun) else found
        access.check(self.user(request), run.creator, run.acl, needed, f"run {run.run_id}")

    # -- changing -----------------------------------------------------------------------------------------------

    @route("POST", f"{API}/runs/cancel", name="runs.cancel", inline=True)
    def cancel_run(self, request: Request, version: str) -> Reply:
        """Answers at once; the run has ended when it says so."""
        found = self.store.run_or_task(body_of(request).get("run_id"))
        self._may(request, found, "CAN_MANAGE_RUN")
        if isinstance(found, Run):
            self.flow.cancel(found, states.CANCELED)
        else:
            with self.store.lock:
                self.flow.stop(found, states.CANCELED)
        return EMPTY

    @route("POST", f"{API}/runs/cancel-all", name="runs.cancel-all", inline=True)
    def cancel_all(self, request: Request, version: str) -> Reply:
        """Those of a job, or all that are queued."""
        body = body_of(request)
        for run in self.store.active():
            queued = run.words.life_cycle == "QUEUED"
            if run.job_id == body.get("job_id") or (body.get("all_queued_runs") and queued):
                self._may(request, run, "CAN_MANAGE_RUN")
                self.flow.cancel(run, states.CANCELED)
        return EMPTY

    @route("POST", f"{API}/runs/delete", name="runs.delete", inline=True)
    def delete_run(self, request: Request, version: str) -> Reply:
        """Only one that has ended."""
        run = self.store.run(body_of(request).get("run_id"))
        self._may(request, run, "CAN_MANAGE_RUN")
        self.store.delete(run)
        return EMPTY

    @route("POST", f"{API}/runs/repair", name="runs.repair", inline=True)
    def repair_run(self, request: Request, version: str) -> Reply:
        """Run failed tasks again."""
        body = body_of(request)
        run = self.store.run(body.get("run_id"))
        self._may(request, run, "CAN_MANAGE_RUN")
        if bool(body.get("rerun_tasks")) == bool(body.get("rerun_all_failed_tasks")):
            raise invalid("One of rerun_tasks and rerun_all_failed_tasks must be specified.")
        return Reply(200, {"repair_id": self.flow.repair(run, body)})


def _is_asked_for(run: Run, query: dict[str, str]) -> bool:
    start = run.start_ms or run.created_ms
    return (
        query.get("job_id") in (None, str(run.job_id))
        and query.get("run_type") in (None, run.kind)
        and number(query, "start_time_from", 0) <= start <= number(query, "start_time_to", 2**62)
    )


def _choose(run: Run, only: list[str] | None) -> None:
    """Leave the tasks out that are not asked for. Raises ``ApiError`` for an unknown one."""
    if only is None:
        return
    tasks = {task["task_key"]: task for task in run.settings.get("tasks") or []}
    wanted: set[str] = set()
    for word in only:
        key = word.strip("+")
        if key not in tasks:
            raise invalid(f"only: job {run.job_id} has no task {key}.")
        wanted.add(key)
        if word.startswith("+"):
            wanted |= _upstream(key, tasks)
        if word.endswith("+"):
            wanted |= {other for other in tasks if key in _upstream(other, tasks)}
    run.settings["tasks"] = [task for key, task in tasks.items() if key in wanted]


def _upstream(key: str, tasks: dict[str, dict[str, Any]]) -> set[str]:
    found = set(dependencies(tasks[key]))
    return found.union(*(_upstream(each, tasks) for each in found))
