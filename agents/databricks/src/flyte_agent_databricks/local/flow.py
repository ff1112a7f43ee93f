"""From the submission of a run to its end: queueing, the order of its tasks, cancelling, repairing."""

from __future__ import annotations

from typing import Any

from . import states
from .conditions import verdict
from .errors import ApiError, invalid
from .records import Job, Repair, Run, TaskRun
from .results import GOOD, result_of, results_before, to_repair
from .script import Scripted
from .states import Words
from .store import now_ms
from .taskflow import Ending, TaskFlow, ending_of


class Flow(TaskFlow):
    """
    What happens to runs.

    Attributes:
        max_active_runs: Runs of the whole workspace at the same time; ``None`` for no limit.
        holds_queue: Whether runs stay QUEUED.
    """

    max_active_runs: int | None = None
    holds_queue = False

    # -- beginning ----------------------------------------------------------------------------------------------

    def submit(self, run: Run) -> None:
        """Take a run: start it, queue it, or skip it."""
        with self.store.lock:
            run.created_ms = run.start_ms = now_ms()
            limit = self._limit(run)
            self.store.add(run)
            if run.waiter is not None:
                run.waiter.child = run
            if self.holds_queue or (
                limit is not None and (run.settings.get("queue") or {}).get("enabled")
            ):
                self.set_run(run, limit or states.QUEUED_FOR_WORKSPACE)
            elif limit is not None:
                too_many = limit.queue_code == "MAX_CONCURRENT_RUNS_REACHED"
                self._close(run, states.TOO_MANY if too_many else states.WORKSPACE_FULL)
            else:
                self._begin_run(run)

    def _limit(self, run: Run) -> Words | None:
        """The state of a run that has to wait."""
        active = (
            [other for other in self.store.active() if other.words.life_cycle != "QUEUED"]
            if (run.job is not None or self.max_active_runs is not None)
            else []
        )
        if run.job is not None:
            limit = run.job.settings.get("max_concurrent_runs", 1)
            if sum(other.job is run.job for other in active) >= limit:
                return states.QUEUED_FOR_JOB
        if self.max_active_runs is not None and len(active) >= self.max_active_runs:
            return states.QUEUED_FOR_WORKSPACE
        return None

    def _begin_run(self, run: Run) -> None:
        run.start_ms = now_ms()
        run.queue_ms = run.start_ms - run.created_ms
        run.words = states.PENDING
        run.repairs.append(Repair(0, run.start_ms))
        for spec in run.settings.get("tasks") or []:
            self.new_task_run(run, dict(spec))
        self.store.touch(run)
        self._limit_time(run)
        self.advance(run)

    def _limit_time(self, run: Run) -> None:
        timeout_s = run.settings.get("timeout_seconds") or 0
        count = len(run.repairs)
        if timeout_s:
            self.after(
                timeout_s,
                lambda: self.cancel(run, states.TIMED_OUT) if count == len(run.repairs) else None,
            )

    def let_queue_go(self) -> None:
        """Start queued runs that need not wait any more."""
        with self.store.lock:
            for run in self.store.active():
                if run.words.life_cycle == "QUEUED" and not run.is_frozen and not self.holds_queue:
                    limit = self._limit(run)
                    if limit is None:
                        self._begin_run(run)

    def trigger(self, task: TaskRun) -> None:
        """Start the run of a run-job task."""
        job = self.store.jobs.get(int(task.settings["job_id"]))
        if job is None:
            message = f"Job {task.settings['job_id']} does not exist."
            self.end(task, Ending(states.broken("RESOURCE_NOT_FOUND", message)))
            return
        child = self.run_of(job, task.run.creator, task.settings.get("job_parameters") or {})
        child.trigger, child.waiter = "RUN_JOB_TASK", task
        self.submit(child)

    def run_of(self, job: Job, creator: str, given: dict[str, str]) -> Run:
        """
        Return a new run of a job that is not submitted yet.

        Raises:
            ApiError: The job has no such parameter.
        """
        known = {
            each["name"]: str(each.get("default", ""))
            for each in job.settings.get("parameters") or []
        }
        unknown = sorted(given.keys() - known.keys()) if known else []
        if unknown:
            raise invalid(f"Job {job.job_id} has no parameter {', '.join(unknown)}.")
        parameters = {**known, **{name: str(value) for name, value in given.items()}}
        return Run(
            self.store.new_id(),
            job.job_id,
            "JOB_RUN",
            dict(job.settings),
            creator,
            job=job,
            parameters=parameters,
        )

    # -- going on -----------------------------------------------------------------------------------------------

    def advance(self, run: Run) -> None:
        """Start the tasks whose turn it is, and end the run after the last one."""
        if run.words.is_terminal or run.is_frozen:
            return
        for task in run.latest().values():
            if task.words is states.BLOCKED:
                self._consider(task, run)
        # The end of a task comes here too, from within this very loop.
        if not run.done.is_set() and all(task.words.is_terminal for task in run.tasks):
            self._close(run, result_of(run))

    def _consider(self, task: TaskRun, run: Run) -> None:
        if run.stop is not None:
            self.stop(task, run.stop)
            return
        if task.spec.get("disabled"):
            self.end(task, Ending(states.DISABLED))
            return
        results = results_before(task, run.latest())
        if results is None:
            return
        words = verdict(task.spec.get("run_if", "ALL_SUCCESS"), results)
        if words is None:
            self.start(task)
        else:
            self.end(task, Ending(words))

    # -- the end ------------------------------------------------------------------------------------------------

    def cancel(self, run: Run, words: Words) -> None:
        """Stop a run; one that has ended stays as it is."""
        with self.store.lock:
            if run.words.is_terminal or run.stop is not None:
                return
            run.stop = words
            if run.words.life_cycle == "QUEUED" or not run.tasks:
                self._close(run, words)
                return
            self.set_run(run, states.TERMINATING)
            for task in list(run.tasks):
                if task.parent is None:
                    self.stop(task, words)
            self.advance(run)

    def _close(self, run: Run, words: Words) -> None:
        run.end_ms = now_ms()
        if run.repairs:
            run.repairs[-1].end_ms, run.repairs[-1].words = run.end_ms, words
        for task in run.tasks:
            if task.spec.get("job_cluster_key"):
                self.clusters.terminate(task.cluster_id)
        self.set_run(run, words)
        if run.waiter is not None:
            good = words.result in GOOD
            told = states.FAILED.saying(
                f"The run {run.run_id} ended with {words.result}: {words.message}"
            )
            self.end(run.waiter, Ending(states.SUCCESS if good else told))
        if run.job is not None or self.max_active_runs is not None:
            self.let_queue_go()

    def set_run(self, run: Run, words: Words, *, freeze: bool = False) -> None:
        """Give a run another state; a frozen one keeps its own."""
        with self.store.lock:
            if run.is_frozen and not freeze:
                return
            run.words, run.is_frozen = words, run.is_frozen or freeze
            self.store.touch(run, is_active=not words.is_terminal)
            if words.is_terminal:
                run.done.set()

    def end_run(self, run: Run, scripted: Scripted) -> None:
        """End what has not ended of a run as a script says."""
        with self.store.lock:
            run.is_frozen = False
            if run.words.life_cycle == "QUEUED":
                self._begin_run(run)
            for task in list(run.tasks):
                if task.kill is None:
                    task.start_ms = task.start_ms or now_ms()
                    self.end(task, ending_of(scripted))
                else:
                    self.stop(task, scripted.words)

    # -- again --------------------------------------------------------------------------------------------------

    def repair(self, run: Run, body: dict[str, Any]) -> int:
        """
        Run tasks of a run again; return the id of the repair.

        Raises:
            ApiError: The run is active, the last repair is another, or there is nothing to repair.
        """
        with self.store.lock:
            self._check_repair(run, body)
            keys = to_repair(run, body)
            repair = Repair(self.store.new_id(), now_ms())
            run.repairs.append(repair)
            run.parameters |= {n: str(v) for n, v in (body.get("job_parameters") or {}).items()}
            run.stop, run.words, run.end_ms = None, states.PENDING, 0
            run.done.clear()
            latest = run.latest()
            specs = {spec["task_key"]: spec for spec in run.settings["tasks"]}
            for key in keys:
                self.new_task_run(run, dict(specs[key]), after=latest[key])
            self.store.touch(run)
            self._limit_time(run)
            self.advance(run)
            return repair.repair_id

    def _check_repair(self, run: Run, body: dict[str, Any]) -> None:
        if not run.words.is_terminal:
            raise ApiError("INVALID_STATE", f"Run {run.run_id} is active, and cannot be repaired.")
        if not run.tasks:
            raise ApiError(
                "INVALID_STATE", f"Run {run.run_id} was never started, and cannot be repaired."
            )
        last = run.repairs[-1].repair_id
        if int(body.get("latest_repair_id") or 0) != last:
            raise invalid(
                f"latest_repair_id: found {body.get('latest_repair_id')}, expected "
                f"{last or 'none'} for run {run.run_id}."
            )
