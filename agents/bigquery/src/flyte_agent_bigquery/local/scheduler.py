"""When jobs run: PENDING, RUNNING, DONE, in a bounded number of threads, with a hand on the switch for tests."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import duckdb

from .errors import BigQueryError
from .jobs import DONE, PENDING, RUNNING, Job
from .tables import now_ms

logger = logging.getLogger(__name__)

CANCELLED = "Job execution was cancelled: User requested cancellation"
_INTERRUPT_EVERY_S = 0.02


class Scheduler:
    """Moves jobs through their states.

    Args:
        run: Does a job's work in a thread; what it raises is the job's error.
        later: Runs a function after some seconds, on the server's loop.
        threads: Jobs that run at the same time; others stay PENDING.
    """

    def __init__(
        self,
        run: Callable[[Job], None],
        later: Callable[[float, Callable[[], None]], None],
        threads: int,
    ) -> None:
        self.pending_s = 0.0
        self.running_s = 0.0
        self._run = run
        self._later = later
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._hold = ""
        self._held: dict[Job, None] = {}
        self._unfinished: set[Job] = set()
        self.broken: list[Exception] = []  # what ended jobs with internalError

    def start(self) -> None:
        """Be ready for jobs."""
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="LocalBigQuery-job")

    def stop(self) -> None:
        """Cancel what is not done and end the threads."""
        for job in list(self._unfinished):
            self.cancel(
                job, BigQueryError("stopped", "Job execution was cancelled: the stand-in stopped")
            )
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._pool = None

    # -- the switch ---------------------------------------------------------------------------------------------

    def hold(self, state: str) -> None:
        """Keep jobs in a state (PENDING or RUNNING) from now on."""
        if state not in (PENDING, RUNNING):
            raise ValueError(f"state: found {state!r}, expected 'PENDING' or 'RUNNING'")
        self._hold = state

    def release(self, job: Job | None = None) -> None:
        """Let held jobs go on: one, or all and those that come."""
        if job is None:
            self._hold = ""
        with self._lock:
            freed = [held for held in self._held if job is None or held is job]
            for held in freed:
                del self._held[held]
        for held in freed:
            self._submit(held)

    # -- jobs ---------------------------------------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Take a job that is stored already."""
        self._unfinished.add(job)
        timeout_ms = int(job.configuration.get("jobTimeoutMs") or 0)
        if timeout_ms > 0:
            error = BigQueryError(
                "stopped", f"Job execution was cancelled: Job timed out after {timeout_ms} ms"
            )
            self._later(timeout_ms / 1000, lambda: self.cancel(job, error))
        if self._park(job, PENDING) or self._wait(job, self.pending_s):
            return
        self._submit(job)

    def _wait(self, job: Job, delay_s: float) -> bool:
        """Hold a job for a while, if there is a while."""
        if not delay_s or job.parent is not None:
            return False
        with self._lock:
            self._held[job] = None
        self._later(delay_s, lambda: self.release(job))
        return True

    def _park(self, job: Job, state: str) -> bool:
        """Keep a job where it is, if that is asked for."""
        with self._lock:
            if self._hold != state or job.parent is not None:
                return False
            self._held[job] = None
            return True

    def _submit(self, job: Job) -> None:
        if self._pool is not None and job.state != DONE:
            try:
                self._pool.submit(self._work, job)
            except RuntimeError:  # the pool is shutting down, and stop() ends the job
                logger.debug("%s came too late to run", job.job_id)

    def _work(self, job: Job) -> None:
        """In a thread: the job's whole life."""
        if job.state == PENDING:
            with self._lock:
                if job.state != PENDING:
                    return
                job.state, job.started_ms = RUNNING, now_ms()
            if self._park(job, RUNNING) or self._wait(job, self.running_s):
                return
        self._execute(job)

    def _execute(self, job: Job) -> None:
        error: BigQueryError | None = None
        try:
            job.stop_if_asked()
            self._run(job)
        except BigQueryError as raised:
            error = raised
        except duckdb.InterruptException:
            error = job.stopping or BigQueryError("stopped", CANCELLED)
        except Exception as raised:
            logger.exception("job %s broke", job.job_id)
            self.broken.append(raised)
            error = BigQueryError("internalError", f"{type(raised).__name__}: {raised}")
        self.finish(job, error)

    def finish(self, job: Job, error: BigQueryError | None) -> None:
        """End a job; ending twice is fine, the first end counts."""
        with self._lock:
            self._held.pop(job, None)
            self._unfinished.discard(job)
            if job.state == DONE:
                return
            job.ended_ms = now_ms()
            job.started_ms = job.started_ms or job.ended_ms
            job.error = error
            job.state = DONE
        job.done.set()
        for listener in list(job.listeners):
            listener()

    def cancel(self, job: Job, error: BigQueryError | None = None) -> None:
        """Ask a job to stop: one that does not run stops now, one that does is interrupted until it has."""
        if job.state == DONE:
            return
        job.stopping = job.stopping or error or BigQueryError("stopped", CANCELLED)
        with self._lock:
            idle = job in self._held or job.state == PENDING
        if idle:
            self.finish(job, job.stopping)
            return
        for child in job.children:
            self.cancel(child, job.stopping)
        self._interrupt(job)

    def _interrupt(self, job: Job) -> None:
        """Interrupt again and again: between two statements there is nothing to interrupt."""
        if job.state == DONE:
            return
        if (cursor := job.cursor) is not None:
            cursor.interrupt()
        if self._pool is not None:
            self._later(_INTERRUPT_EVERY_S, lambda: self._interrupt(job))
