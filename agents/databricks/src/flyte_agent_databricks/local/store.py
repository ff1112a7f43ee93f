"""Keeps jobs and runs, and finds them: by id, by token, by page."""

from __future__ import annotations

import bisect
import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

from .errors import ApiError, no_job, no_run
from .records import Job, Run, TaskRun

FIRST_ID = 2**53 + 1
"""Above what a double holds, as Databricks' ids may be."""


def now_ms() -> int:
    """Return the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


class Store:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.jobs: dict[int, Job] = {}
        self.runs: dict[int, Run] = {}
        self.tasks: dict[int, TaskRun] = {}
        self._ids = itertools.count(FIRST_ID, 2)
        self._order: list[int] = []
        self._active: list[int] = []
        self._tokens: dict[str, int] = {}

    def new_id(self) -> int:
        """Return an id that nothing has yet."""
        return next(self._ids)

    # -- jobs ---------------------------------------------------------------------------------------------------

    def job(self, job_id: Any) -> Job:
        """Return a job. Raises ``ApiError``."""
        found = self.jobs.get(_number("job_id", job_id))
        if found is None:
            raise no_job(job_id)
        return found

    # -- runs ---------------------------------------------------------------------------------------------------

    def add(self, run: Run) -> None:
        """Keep a run."""
        with self.lock:
            self.runs[run.run_id] = run
            self._order.append(run.run_id)
            self._active.append(run.run_id)
            if run.token:
                self._tokens[run.token] = run.run_id

    def of_token(self, token: str) -> Run | None:
        """
        Return the run that was made with an idempotency token.

        Raises:
            ApiError: The token is too long, or its run was deleted.
        """
        if len(token) > 64:
            raise ApiError(
                "INVALID_PARAMETER_VALUE",
                f"idempotency_token: found {len(token)} characters, expected at most 64.",
            )
        with self.lock:
            run_id = self._tokens.get(token)
            if run_id is None:
                return None
            if run_id not in self.runs:
                raise ApiError(
                    "INVALID_STATE",
                    f"The run {run_id} with the idempotency token {token} was deleted.",
                )
            return self.runs[run_id]

    def run(self, run_id: Any) -> Run:
        """Return a run. Raises ``ApiError``."""
        found = self.runs.get(_number("run_id", run_id))
        if found is None:
            raise no_run(run_id)
        return found

    def run_or_task(self, run_id: Any) -> Run | TaskRun:
        """Return a run or a task run. Raises ``ApiError``."""
        number = _number("run_id", run_id)
        found = self.runs.get(number) or self.tasks.get(number)
        if found is None:
            raise no_run(run_id)
        return found

    def delete(self, run: Run) -> None:
        """Forget a run; its token stays taken. Raises ``ApiError`` for one that has not ended."""
        with self.lock:
            if not run.words.is_terminal:
                raise ApiError(
                    "INVALID_STATE", f"Run {run.run_id} is active, and cannot be deleted."
                )
            del self.runs[run.run_id]
            self._order.remove(run.run_id)
            for task in run.tasks:
                self.tasks.pop(task.run_id, None)

    def touch(self, run: Run, *, is_active: bool = True) -> None:
        """Note that a run has changed."""
        with self.lock:
            run.body = run.listed = b""
            at = bisect.bisect_left(self._active, run.run_id)
            was_active = at < len(self._active) and self._active[at] == run.run_id
            if was_active and not is_active:
                del self._active[at]
            elif is_active and not was_active and run.run_id in self.runs:
                self._active.insert(at, run.run_id)

    def newest(self, *, before: int = 0, active_only: bool = False) -> Iterator[Run]:
        """Return runs, newest first, from those older than the id ``before`` on."""
        with self.lock:
            order = self._active if active_only else self._order
            end = bisect.bisect_left(order, before) if before else len(order)
            ids = order[:end] if end < 1000 else None
        chosen = reversed(ids) if ids is not None else (order[at] for at in range(end - 1, -1, -1))
        for run_id in chosen:
            if (run := self.runs.get(run_id)) is not None:
                yield run

    def active(self) -> list[Run]:
        """Return the runs that have not ended, oldest first."""
        with self.lock:
            return [self.runs[run_id] for run_id in self._active]


def _number(field: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ApiError(
            "INVALID_PARAMETER_VALUE", f"{field}: found {value!r}, expected a number."
        ) from None
