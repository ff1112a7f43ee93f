"""A Databricks workspace in which every run is running: https://docs.databricks.com/api/workspace/jobs."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

PAGE = 25
"""The most that ``runs/list`` gives at once."""

FIRST_MS, APART_MS = 1_700_000_000_000, 1_000
FIRST_RUN = 1_000_000


def run_id(number: int) -> int:
    """Return the id of a run."""
    return FIRST_RUN + number


def start_ms(number: int) -> int:
    """Return when a run was made."""
    return FIRST_MS + number * APART_MS


def run(number: int) -> dict[str, Any]:
    """Return a run of ordinary size."""
    state = {
        "life_cycle_state": "RUNNING",
        "state_message": "In run",
        "user_cancelled_or_timedout": False,
    }
    return {
        "job_id": 7,
        "run_id": run_id(number),
        "number_in_job": run_id(number),
        "creator_user_name": "flyte@example.com",
        "original_attempt_run_id": run_id(number),
        "state": state,
        "status": {"state": "RUNNING"},
        "start_time": start_ms(number),
        "setup_duration": 0,
        "execution_duration": 0,
        "cleanup_duration": 0,
        "end_time": 0,
        "trigger": "ONE_TIME",
        "run_name": f"flyte-{number}",
        "run_page_url": f"https://example.cloud.databricks.com/?o=1#job/7/run/{run_id(number)}",
        "run_type": "SUBMIT_RUN",
        "format": "MULTI_TASK",
    }  # fmt: skip


def task(number: int) -> dict[str, Any]:
    """Return what ``runs/get`` shows of a run's one task, and ``runs/list`` does not."""
    same = ("state", "status", "start_time", "setup_duration", "execution_duration", "end_time")
    whole = run(number)
    return {
        "run_id": run_id(number) + 1_000_000_000,
        "task_key": "main",
        "notebook_task": {"notebook_path": "/Shared/bench", "source": "WORKSPACE"},
        "cluster_instance": {"cluster_id": "0101-000000-bench000", "spark_context_id": "1"},
        "attempt_number": 0,
        **{name: whole[name] for name in same},
    }


def reply(target: str, runs: int) -> tuple[str, str, dict[str, Any]]:
    """Return the kind of a request, and status and body of the answer in a workspace of so many runs."""
    parts = urlsplit(target)
    query = {name: found[-1] for name, found in parse_qs(parts.query).items()}
    if parts.path.endswith("/runs/get"):
        number = int(query["run_id"]) - FIRST_RUN
        return "runs", "200 OK", {**run(number), "tasks": [task(number)]}
    if parts.path.endswith("/runs/list"):
        return "runs", "200 OK", page(query, runs)
    return "other", "404 Not Found", {"error_code": "ENDPOINT_NOT_FOUND", "message": "not here"}


def page(query: dict[str, str], runs: int) -> dict[str, Any]:
    """Return a page of runs, the newest first."""
    newest = min(runs - 1, _number(query.get("start_time_to"), runs - 1))
    oldest = max(0, -(-(int(query.get("start_time_from", FIRST_MS)) - FIRST_MS) // APART_MS))
    first = int(query.get("page_token") or newest)
    last = max(oldest, first - PAGE + 1)
    more = last > oldest
    found: dict[str, Any] = {"runs": [run(n) for n in range(first, last - 1, -1)], "has_more": more}
    return {**found, "next_page_token": str(last - 1)} if more else found


def _number(ms: str | None, default: int) -> int:
    return default if ms is None else (int(ms) - FIRST_MS) // APART_MS
