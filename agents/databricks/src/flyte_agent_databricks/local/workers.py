"""Threads that do the work of task runs: a bounded number, each with a switch that ends what it does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .records import Output, TaskRun
from .states import RUNNING, broken
from .taskflow import Ending, TaskFlow

logger = logging.getLogger(__name__)

_KILLERS = 4


class Switch:
    """Ends a piece of work, also one that has not come to what can be ended."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self._lock = threading.Lock()
        self._ends: Callable[[], None] | None = None
        self.is_off = False

    def ends(self, function: Callable[[], None]) -> None:
        """Say how to end it from now on."""
        with self._lock:
            self._ends = function
            is_late = self.is_off
        if is_late:
            self._call(function)

    def off(self) -> None:
        """End it; does not wait."""
        with self._lock:
            self.is_off, function = True, self._ends
        if function is not None:
            self._call(function)

    def _call(self, function: Callable[[], None]) -> None:
        """In another thread: it may wait until the work has ended."""
        try:
            self._pool.submit(function)
        except RuntimeError:  # the pool is shutting down, and so are the processes
            logger.debug("too late to end a task by itself")


Work = Callable[[TaskRun, Switch], Ending]


class Workers:
    """
    Does the work of task runs.

    Args:
        flow: Hears how they end.
        slots: How many run at the same time; others are PENDING.
        work_of: What to do, by the kind of task.
    """

    def __init__(self, flow: TaskFlow, slots: int, work_of: dict[str, Work]) -> None:
        self._flow, self._slots, self._work_of = flow, slots, work_of
        self._pool: ThreadPoolExecutor | None = None
        self._killers: ThreadPoolExecutor
        self.broken: list[Exception] = []
        flow.give_to_worker = self.take

    def start(self) -> None:
        """Be ready for task runs."""
        self._pool = ThreadPoolExecutor(self._slots, thread_name_prefix="LocalDatabricks-task")
        self._killers = ThreadPoolExecutor(_KILLERS, thread_name_prefix="LocalDatabricks-kill")

    def stop(self) -> None:
        """Wait for the ends of what runs."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)
            self._killers.shutdown(wait=True)
            self._pool = None

    def take(self, task: TaskRun) -> None:
        """Do the work of a task run as soon as a slot is free."""
        if self._pool is not None:
            try:
                self._pool.submit(self._do, task)
            except RuntimeError:  # the pool is shutting down, and the task ends with the workspace
                logger.debug("%s came too late to run", task.key)

    def _do(self, task: TaskRun) -> None:
        switch = Switch(self._killers)
        with self._flow.store.lock:
            if task.words.is_terminal or task.stop is not None:
                return
            task.kill = switch.off
            self._flow.change(task, RUNNING)
        try:
            ending = self._work_of[task.kind](task, switch)
        except Exception as error:
            logger.exception("the work of the task %s broke", task.key)
            self.broken.append(error)
            message = f"The local workspace broke: {type(error).__name__}: {error}"
            ending = Ending(
                broken("INTERNAL_ERROR", message, "INTERNAL_ERROR"), Output({"error": message})
            )
        delay_s = self._flow.stopping_s if self._is_stopped(task) else 0.0
        self._flow.after(delay_s, lambda: self._flow.end(task, ending))

    @staticmethod
    def _is_stopped(task: TaskRun) -> bool:
        """Whether it was stopped meanwhile, by another thread."""
        return task.stop is not None
