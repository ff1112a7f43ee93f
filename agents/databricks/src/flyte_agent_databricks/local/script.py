"""What task runs do where a test, or somebody without a JVM, wants to say so."""

from __future__ import annotations

import fnmatch
import threading
from dataclasses import dataclass, field
from typing import Any

from .kinds import CONTROL
from .states import FAILED, SUCCESS, Words


@dataclass
class Scripted:
    """
    What a task run does instead of its work.

    Attributes:
        words: How it ends.
        error: ``error`` of its output.
        error_trace: The same for the stack trace.
        logs: What it would have printed.
        result: What a notebook exits with.
        output: Further fields of its output, such as ``{"dbt_output": {"artifacts_link": …}}``.
        values: Its task values.
        setup_s: How long it is PENDING.
        run_s: How long it is RUNNING.
        holds: It stays RUNNING until it is cancelled, times out, or the stand-in's ``end_run`` is called.
    """

    words: Words = SUCCESS
    error: str = ""
    error_trace: str = ""
    logs: str = ""
    result: str | None = None
    output: dict[str, Any] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    setup_s: float = 0.0
    run_s: float = 0.0
    holds: bool = False

    @classmethod
    def failing(cls, error: str, trace: str = "", **more: Any) -> Scripted:
        """Return one whose code raises ``error``."""
        return cls(FAILED, error, trace or f"Traceback (most recent call last):\n{error}", **more)


@dataclass
class Rule:
    """
    Which task runs a script is for; what is left empty fits all.

    Attributes:
        does: What they do.
        kind: Such as ``spark_jar_task``; conditions, loops and runs of jobs must be named to be scripted.
        task_key: A pattern such as ``load_*``.
        run_name: The same for the name of the run.
        times: How often; ``None`` for ever.
    """

    does: Scripted
    kind: str = ""
    task_key: str = "*"
    run_name: str = "*"
    times: int | None = None
    hits: int = 0

    def fits(self, kind: str, task_key: str, run_name: str) -> bool:
        """Whether it is for a task run and is not used up."""
        return (
            (self.times is None or self.hits < self.times)
            and (self.kind == kind or (not self.kind and kind not in CONTROL))
            and fnmatch.fnmatchcase(task_key, self.task_key)
            and fnmatch.fnmatchcase(run_name, self.run_name)
        )


class Script:
    """The rules, newest first; a task run that none fits does its work."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []
        self._lock = threading.Lock()

    def add(
        self,
        does: Scripted | None = None,
        *,
        kind: str = "",
        task_key: str = "*",
        run_name: str = "*",
        times: int | None = None,
    ) -> Rule:
        """Add a rule; see :class:`Rule`. Without ``does`` the task runs succeed at once."""
        rule = Rule(does or Scripted(), kind, task_key, run_name, times)
        with self._lock:
            self._rules.insert(0, rule)
        return rule

    def clear(self) -> None:
        """Forget all rules."""
        with self._lock:
            self._rules.clear()

    def covers(self, kind: str, task_key: str, run_name: str) -> bool:
        """Whether a rule is for a task run."""
        with self._lock:
            return any(rule.fits(kind, task_key, run_name) for rule in self._rules)

    def take(self, kind: str, task_key: str, run_name: str) -> Scripted | None:
        """Return what a task run is to do, and count it."""
        with self._lock:
            for rule in self._rules:
                if rule.fits(kind, task_key, run_name):
                    rule.hits += 1
                    return rule.does
        return None
