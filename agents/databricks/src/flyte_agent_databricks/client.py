"""
Databricks' REST API: one method for each call. The only module that makes them.

Every call ends within the RPC being answered: the SDK's own retries run for up to five minutes and are not used.
Resources go in and come out as REST describes them: the SDK's classes make ``None`` of words they do not know.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError, ProtocolError, RetryableError, observe
from flyte_agent_core.rpc import remaining_s

from .api_errors import to_agent_error
from .job_run import dicts
from .rate import Rate
from .session import GiveUp, download, left_s, open_api, open_config
from .sign_in import SignIn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_JOBS = "/api/2.2/jobs"
_SQL = "/api/2.0/sql"
_PAGES = 50
_AGAIN_S = 1.0  # a second try needs that much

RUNS_PER_PAGE = 25
"""The most that ``runs/list`` gives; https://docs.databricks.com/api/workspace/jobs/listruns"""


class DatabricksClient:
    """
    One set of credentials at one workspace, safe to use from any thread.

    Attributes:
        host: The workspace, ``https://…``.
    """

    def __init__(self, settings: Mapping[str, Any], *, connections: int = 32) -> None:
        self.host = str(settings["host"])
        self._rate = Rate()
        self._sign_in = SignIn(functools.partial(open_config, dict(settings)))
        self._open = functools.partial(open_api, connections=connections)
        self._api: tuple[Any, Any] = (None, None)

    def sign_in(self) -> str:
        """
        Return how the credentials sign in, such as ``oauth-m2m``.

        Raises:
            AgentError: They do not.
        """
        self._sign_in.headers(left_s())
        return str(self._sign_in.config(left_s()).auth_type)

    def me(self) -> dict[str, Any]:
        """
        Return who the credentials belong to.

        Source: https://docs.databricks.com/api/workspace/currentuser/me
        """
        return self._call("currentUser.me", "GET", "/api/2.0/preview/scim/v2/Me")

    def submit(self, body: Mapping[str, Any]) -> str:
        """
        Start a one-time run, or find the one of the same token; return its id.

        Raises:
            RunDeleted: The run of this token was deleted.
            TaskError: The request is wrong or not allowed.
            RetryableError: Not now; the run may have been made.

        Source: https://docs.databricks.com/api/workspace/jobs/submit
        """
        return _run_id(
            self._call("jobs.submit", "POST", f"{_JOBS}/runs/submit", body=body, again=True)
        )

    def run_now(self, body: Mapping[str, Any]) -> str:
        """
        Start a run of a job, or find the one of the same token; return its id. The errors are those of :meth:`submit`.

        Source: https://docs.databricks.com/api/workspace/jobs/runnow
        """
        return _run_id(self._call("jobs.runNow", "POST", f"{_JOBS}/run-now", body=body, again=True))

    def find_jobs(self, name: str) -> list[dict[str, Any]]:
        """Return the jobs of a name; Databricks compares without regard to case."""
        return dicts(
            self._call("jobs.list", "GET", f"{_JOBS}/list", {"name": name, "limit": 25}).get("jobs")
        )

    def get_run(self, run_id: str, *, whole: bool = False, details: bool = False) -> dict[str, Any]:
        """
        Return a run with its tasks.

        Args:
            run_id: The run.
            whole: All tasks, not only the first hundred.
            details: Also its repairs, and the parameters of its tasks as they were resolved.

        Raises:
            JobNotFound: There is none of this id.

        Source: https://docs.databricks.com/api/workspace/jobs/getrun
        """
        run = self._run_page(run_id, "", details=details)
        token = run.get("next_page_token")
        for _ in range(_PAGES if whole else 0):
            if not token:
                break
            page = self._run_page(run_id, str(token), details=details)
            for name in ("tasks", "job_clusters", "repair_history"):
                run[name] = [*run.get(name, ()), *page.get(name, ())]
            token = page.get("next_page_token")
        return run

    def get_output(self, task_run_id: str) -> dict[str, Any]:
        """
        Return the output of one task's run: exit value, error, trace, logs.

        Source: https://docs.databricks.com/api/workspace/jobs/getrunoutput
        """
        return self._call(
            "jobs.getRunOutput",
            "GET",
            f"{_JOBS}/runs/get-output",
            {"run_id": task_run_id},
        )

    def list_active(
        self, page_token: str = "", from_ms: int | None = None, to_ms: int | None = None
    ) -> dict[str, Any]:
        """
        Return one page of the runs that are active, and were made in this time, the newest first, without their tasks.

        Source: https://docs.databricks.com/api/workspace/jobs/listruns
        """
        query: dict[str, Any] = {"active_only": True, "limit": RUNS_PER_PAGE}
        query.update({} if from_ms is None else {"start_time_from": from_ms})
        query.update({} if to_ms is None else {"start_time_to": to_ms})
        if page_token:
            query["page_token"] = page_token
        return self._call("jobs.listRuns", "GET", f"{_JOBS}/runs/list", query)

    def cancel_run(self, run_id: str) -> None:
        """
        Ask for a run to be stopped; that it has stopped shows in :meth:`get_run`.

        Source: https://docs.databricks.com/api/workspace/jobs/cancelrun
        """
        self._call(
            "jobs.cancelRun",
            "POST",
            f"{_JOBS}/runs/cancel",
            body={"run_id": int(run_id)},
            of_job=True,
            again=True,
        )

    def repair_run(self, run_id: str, latest_repair_id: str, settings: Mapping[str, Any]) -> str:
        """
        Run the failed tasks of a run again, and what depends on them; return the repair's id.

        Args:
            run_id: The run.
            latest_repair_id: Its last repair, if it has one: another one made meanwhile is refused.
            settings: Further fields of the request.

        Source: https://docs.databricks.com/api/workspace/jobs/repairrun
        """
        body: dict[str, Any] = {"run_id": int(run_id), "rerun_all_failed_tasks": True, **settings}
        if latest_repair_id:
            body["latest_repair_id"] = int(latest_repair_id)
        answer = self._call("jobs.repairRun", "POST", f"{_JOBS}/runs/repair", body=body)
        return str(answer.get("repair_id") or "")

    def execute(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """
        Start a statement on a warehouse. It has no token: sent twice it runs twice.

        Source: https://docs.databricks.com/api/workspace/statementexecution/executestatement
        """
        return self._call("statements.execute", "POST", f"{_SQL}/statements", body=body)

    def get_statement(self, statement_id: str) -> dict[str, Any]:
        """Return a statement's state and, when it succeeded, its schema and first rows."""
        return self._call("statements.get", "GET", f"{_SQL}/statements/{statement_id}", of_job=True)

    def statement_chunk(self, statement_id: str, index: int) -> dict[str, Any]:
        """Return further rows of a statement that succeeded."""
        path = f"{_SQL}/statements/{statement_id}/result/chunks/{index}"
        return self._call("statements.getChunk", "GET", path, of_job=True)

    def cancel_statement(self, statement_id: str) -> None:
        """Ask for a statement to be stopped; that it has stopped shows in :meth:`get_statement`."""
        path = f"{_SQL}/statements/{statement_id}/cancel"
        self._call("statements.cancel", "POST", path, of_job=True, again=True)

    def query_history(self, warehouse_id: str, from_ms: int, to_ms: int) -> list[dict[str, Any]]:
        """
        Return the statements that a warehouse was given in this time, as far as one page goes.

        Source: https://docs.databricks.com/api/workspace/queryhistory/list
        """
        query = {
            "filter_by": {
                "query_start_time_range": {"start_time_ms": from_ms, "end_time_ms": to_ms},
                "warehouse_ids": [warehouse_id],
            },
            "max_results": 1000,
        }
        return dicts(
            self._call("queryHistory.list", "GET", f"{_SQL}/history/queries", query).get("res")
        )

    def get_warehouse(self, warehouse_id: str) -> dict[str, Any]:
        """Return a warehouse."""
        return self._call("warehouses.get", "GET", f"{_SQL}/warehouses/{warehouse_id}")

    def download(self, url: str, headers: Mapping[str, str], limit_bytes: int) -> bytes:
        """
        Return what is at an address that Databricks gave out, such as dbt's artefacts; nothing of ours is sent along.

        Raises:
            TaskError: It is larger than ``limit_bytes``.
        """
        with observe.vendor_call("databricks", "artifacts.get"):
            try:
                return download(url, dict(headers), limit_bytes)
            except Exception as error:
                ours = to_agent_error(error)
                if ours is error:
                    raise
                raise ours from error

    def _run_page(self, run_id: str, page_token: str, *, details: bool) -> dict[str, Any]:
        query: dict[str, Any] = {"run_id": run_id}
        if details:
            query.update(include_history=True, include_resolved_values=True)
        if page_token:
            query["page_token"] = page_token
        run = self._call("jobs.getRun", "GET", f"{_JOBS}/runs/get", query, of_job=True)
        if str(run.get("run_id")) != run_id:
            raise ProtocolError(
                f"Databricks answered an object without run {run_id}: a proxy in between may have sent it",
                code="DATABRICKS.GARBLED",
            )
        return run

    def _call(
        self,
        name: str,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        of_job: bool = False,
        again: bool = False,
    ) -> dict[str, Any]:
        """Send a request; one that may be sent ``again`` is, once: a kept connection may have died since the last."""
        send = functools.partial(self._send, method, path, query, body)
        with observe.vendor_call("databricks", name):
            answer = self._signed(
                functools.partial(self._heard, send, of_job), again=again or method == "GET"
            )
        if not isinstance(answer, dict):
            raise ProtocolError(
                f"Databricks answered {type(answer).__name__}, expected an object",
                code="DATABRICKS.GARBLED",
            )
        return answer

    def _signed(self, send: Callable[[dict[str, str]], Any], *, again: bool) -> Any:
        headers = self._sign_in.headers(left_s())
        try:
            return send(headers)
        except AgentError as error:
            if error.code == "DATABRICKS.UNAUTHENTICATED" and self._sign_in.renew(headers):
                return send(self._sign_in.headers(left_s()))
            if again and error.code == "DATABRICKS.UNREACHABLE" and remaining_s() > _AGAIN_S:
                return send(headers)
            raise

    def _heard(
        self, send: Callable[[dict[str, str]], Any], of_job: bool, headers: dict[str, str]
    ) -> Any:
        self._rate.wait(left_s())
        try:
            answer = send(headers)
        except Exception as error:
            ours = to_agent_error(_cause(error), of_job=of_job)
            self._rate.heard(ours if isinstance(ours, AgentError) else None)
            if ours is error:
                raise
            raise ours from error
        self._rate.heard(None)
        return answer

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Mapping[str, Any] | None,
        headers: dict[str, str],
    ) -> Any:
        config = self._sign_in.config(left_s())
        if self._api[0] is not config:
            self._api = (config, self._open(config))
        workspace = (
            {"X-Databricks-Org-Id": config.workspace_id}
            if getattr(config, "workspace_id", None)
            else {}
        )
        return self._api[1].do(
            method,
            path,
            query=None if query is None else dict(query),
            body=None if body is None else dict(body),
            headers={"Accept": "application/json", **workspace, **observe.trace_headers()},
            auth=functools.partial(_sign, headers),
        )


def _sign(headers: dict[str, str], request: Any) -> Any:
    request.headers.update(headers)
    return request


def _run_id(answer: Mapping[str, Any]) -> str:
    found = str(answer.get("run_id") or "")
    if not found.isdigit():
        raise RetryableError(
            f"Databricks answered no run_id, found {found!r}", code="DATABRICKS.GARBLED"
        )
    return found


def _cause(error: Exception) -> BaseException:
    """Return the error behind the SDK's wish to try again."""
    return error.__context__ if isinstance(error, GiveUp) and error.__context__ else error
