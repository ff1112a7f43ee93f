"""From the start of a task run to its end: setting up, running, stopping, retrying."""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from . import parameters
from .compute import Clusters
from .conditions import compare
from .errors import ApiError
from .kinds import CONTROL, why_not
from .records import Output, Run, TaskRun
from .script import Script, Scripted
from .states import (
    FAILED,
    PENDING,
    RUNNING,
    SUCCESS,
    TERMINATING,
    TIMED_OUT,
    WAITING,
    Words,
    broken,
)
from .store import Store, now_ms


@dataclass
class Ending:
    """How a task run has ended, and what it leaves."""

    words: Words
    output: Output = field(default_factory=Output)
    values: dict[str, Any] = field(default_factory=dict)


class Later(Protocol):
    """Runs a function after some seconds."""

    def __call__(self, delay_s: float, function: Callable[[], None], /) -> None:
        """Do it; forgotten when the workspace stops."""


class TaskFlow(abc.ABC):
    """
    What happens to task runs; all of it under the store's lock.

    Attributes:
        setup_s: How long a task that needs compute is PENDING.
        stopping_s: How long a task is TERMINATING at least.
        hold: Where task runs stay: ``PENDING``, ``RUNNING``, or nowhere.
    """

    def __init__(self, store: Store, script: Script, clusters: Clusters, later: Later) -> None:
        self.store, self.script, self.clusters = store, script, clusters
        self.setup_s = 0.0
        self.stopping_s = 0.0
        self.hold = ""
        self._later = later
        self._held: dict[TaskRun, Callable[[], None]] = {}
        self._due: deque[Callable[[], None]] = deque()
        self._is_busy = False
        self.give_to_worker: Callable[[TaskRun], None]

    @abc.abstractmethod
    def advance(self, run: Run) -> None:
        """Go on with a run after something in it has changed."""

    @abc.abstractmethod
    def trigger(self, task: TaskRun) -> None:
        """Start the run of a run-job task."""

    @abc.abstractmethod
    def cancel(self, run: Run, words: Words) -> None:
        """Stop a run."""

    def after(self, delay_s: float, function: Callable[[], None]) -> None:
        """Call a function under the lock, after a while or as soon as what happens now is done."""
        if delay_s > 0:
            self._later(delay_s, lambda: self._soon(function))
        else:
            self._soon(function)

    def _soon(self, function: Callable[[], None]) -> None:
        """One after the other, however many: a thousand tasks in a row must not nest a thousand calls."""
        with self.store.lock:
            self._due.append(function)
            if self._is_busy:
                return
            self._is_busy = True
            try:
                while self._due:
                    self._due.popleft()()
            finally:
                self._is_busy = False

    # -- the way to the work ------------------------------------------------------------------------------------

    def start(self, task: TaskRun) -> None:
        """Set a task run up."""
        task.start_ms = now_ms()
        try:
            task.spec = parameters.resolved(task)
        except ApiError as error:
            self.end(task, Ending(broken("INVALID_RUN_CONFIGURATION", error.message)))
            return
        task.script = self.script.take(task.kind, task.key, task.run.name)
        timeout_s = task.spec.get("timeout_seconds") or 0
        if timeout_s:
            self.after(timeout_s, lambda: self.stop(task, TIMED_OUT))
        task.cluster_id = self.clusters.for_task(task)
        self.change(task, PENDING)
        setup_s = self.setup_s if task.kind not in CONTROL else 0.0
        self._unless_held(
            "PENDING", task, lambda: self.after(setup_s, lambda: self._scripted_setup(task))
        )

    def _scripted_setup(self, task: TaskRun) -> None:
        self.after(task.script.setup_s if task.script else 0.0, lambda: self._begin(task))

    def _begin(self, task: TaskRun) -> None:
        if task.words.is_terminal or task.stop is not None:
            return
        task.setup_ms = now_ms() - task.start_ms
        if task.script is None and self._needs_worker(task) and not why_not(task.kind, task.spec):
            # It is RUNNING once a worker has it.
            self._unless_held("RUNNING", task, lambda: self.give_to_worker(task))
            return
        self.change(task, RUNNING)
        self._unless_held("RUNNING", task, lambda: self._work(task))

    def _needs_worker(self, task: TaskRun) -> bool:
        return task.kind not in CONTROL

    def _unless_held(self, state: str, task: TaskRun, go: Callable[[], None]) -> None:
        if self.hold != state:
            go()
            return
        if state == "RUNNING":
            self.change(task, RUNNING)
        self._held[task] = go

    def release(self) -> None:
        """Let what is held go on."""
        with self.store.lock:
            self.hold = ""
            held, self._held = self._held, {}
            for task, go in held.items():
                if not task.words.is_terminal and task.stop is None:
                    go()

    def _work(self, task: TaskRun) -> None:
        if task.script is not None:
            if not task.script.holds:
                script = task.script
                self.after(script.run_s, lambda: self.end(task, ending_of(script)))
        elif task.kind == "condition_task":
            self._compare(task)
        elif task.kind == "for_each_task":
            self._spread(task)
        elif task.kind == "run_job_task":
            self.trigger(task)
        else:
            reason = why_not(task.kind, task.spec)
            message = (
                f"The local workspace cannot run a {task.kind}: {reason}. Script what it does."
            )
            self.end(task, Ending(broken("FEATURE_DISABLED", message)))

    def _compare(self, task: TaskRun) -> None:
        settings = task.settings
        try:
            found = compare(settings["op"], str(settings["left"]), str(settings["right"]))
        except ApiError as error:
            self.end(task, Ending(broken("INVALID_RUN_CONFIGURATION", error.message)))
            return
        task.outcome = "true" if found else "false"
        self.end(task, Ending(SUCCESS))

    # -- for each -----------------------------------------------------------------------------------------------

    def _spread(self, task: TaskRun) -> None:
        try:
            items = parameters.elements(task.settings["inputs"])
        except ValueError as error:
            self.end(task, Ending(broken("INVALID_RUN_CONFIGURATION", str(error))))
            return
        for item in items:
            self.new_task_run(task.run, {"task_key": f"{task.key}_iteration", **task.settings["task"]},
                              item=item, parent=task)  # fmt: skip
        self._go_through(task)

    def _go_through(self, task: TaskRun) -> None:
        """Start as many iterations as may run at once; end the task after the last one."""
        waiting = [
            each for each in task.iterations if not each.words.is_terminal and not each.start_ms
        ]
        active = sum(not each.words.is_terminal and each.start_ms > 0 for each in task.iterations)
        if task.stop is None:
            for each in waiting[: max(0, task.settings.get("concurrency", 1) - active)]:
                self.start(each)
        if task.words.is_terminal or any(not each.words.is_terminal for each in task.iterations):
            return
        failed = [each for each in task.iterations if not each.words.is_success]
        message = f"{len(failed)} of {len(task.iterations)} iterations failed"
        first = failed[0].output.fields.get("error", failed[0].words.message) if failed else ""
        words = FAILED.saying(f"{message}; the first one: {first}") if failed else SUCCESS
        self.end(task, Ending(words, Output({"error": words.message} if failed else {})))

    # -- stopping -----------------------------------------------------------------------------------------------

    def stop(self, task: TaskRun, words: Words) -> None:
        """Make a task run end, with the state ``words``."""
        if task.words.is_terminal or task.stop is not None:
            return
        task.stop = words
        self._held.pop(task, None)
        if task.start_ms:
            self.change(task, TERMINATING)
        for each in task.iterations:
            self.stop(each, words)
        if task.child is not None:
            self.cancel(task.child, words)
        below = [each.words for each in task.iterations]
        if task.child is not None:
            below.append(task.child.words)
        if task.kill is not None:
            task.kill()
        elif all(each.is_terminal for each in below):
            self.after(
                self.stopping_s if task.start_ms else 0.0, lambda: self.end(task, Ending(words))
            )

    # -- the end ------------------------------------------------------------------------------------------------

    def end(self, task: TaskRun, ending: Ending) -> None:
        """Note how a task run has ended; the first end counts, and so does having been stopped."""
        if task.words.is_terminal:
            return
        words = task.stop or ending.words
        task.end_ms = now_ms()
        if task.start_ms:
            task.work_ms = max(0, task.end_ms - task.start_ms - task.setup_ms)
        task.kill, task.values = None, ending.values
        task.output = (
            ending.output if task.stop is None else Output(log=ending.output.log or task.output.log)
        )
        if task.stop is not None:
            task.output.fields["error"] = words.message
        self._held.pop(task, None)
        self.change(task, words)
        if task.spec.get("new_cluster"):
            self.clusters.terminate(task.cluster_id)
        if self._retries(task):
            return
        if task.parent is not None:
            self._go_through(task.parent)
        else:
            self.advance(task.run)

    def _retries(self, task: TaskRun) -> bool:
        """Start the next attempt, if its settings want one."""
        limit = task.spec.get("max_retries") or 0
        is_late = words_are(task.words, "TIMEDOUT") and task.spec.get("retry_on_timeout", False)
        failed = words_are(task.words, "FAILED") or is_late
        if not failed or task.run.stop is not None or (0 <= limit <= task.attempt):
            return False
        again = self.new_task_run(
            task.run, task.spec, item=task.item, parent=task.parent, after=task
        )
        self.change(again, WAITING)
        delay_s = (task.spec.get("min_retry_interval_millis") or 0) / 1000
        self.after(delay_s, lambda: None if again.words.is_terminal else self.start(again))
        return True

    # -- records ------------------------------------------------------------------------------------------------

    def new_task_run(
        self,
        run: Run,
        spec: dict[str, Any],
        *,
        item: Any = None,
        parent: TaskRun | None = None,
        after: TaskRun | None = None,
    ) -> TaskRun:
        """Make a task run; ``after`` is the attempt before it."""
        attempt = after.attempt + 1 if after is not None else 0
        task = TaskRun(self.store.new_id(), run, spec, attempt, item, parent)
        self.store.tasks[task.run_id] = task
        run.tasks.append(task)
        if run.repairs:
            run.repairs[-1].tasks.append(task)
        if parent is not None:
            if after is not None:
                parent.iterations.remove(after)
            parent.iterations.append(task)
        return task

    def change(self, task: TaskRun, words: Words) -> None:
        """Give a task run another state, and its run one that goes with it."""
        task.words = words
        run = task.run
        if (
            words.life_cycle == "RUNNING"
            and run.words.life_cycle == "PENDING"
            and not run.is_frozen
        ):
            run.words = RUNNING
        self.store.touch(run, is_active=not run.words.is_terminal)


def words_are(words: Words, result: str) -> bool:
    """Whether a state is the end with a result."""
    return words.is_terminal and words.result == result


def ending_of(script: Scripted) -> Ending:
    """Return the end that a script wants."""
    fields = dict(script.output)
    for name in ("error", "error_trace"):
        if value := getattr(script, name):
            fields[name] = value
    return Ending(
        script.words, Output(fields, script.result, text=script.logs), dict(script.values)
    )
