"""Jobs, runs and task runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

from .kinds import kind_of
from .script import Scripted
from .states import BLOCKED, PENDING, Words


@dataclass(eq=False)
class Job:
    """
    A job.

    Attributes:
        settings: What :func:`.settings.normalized` made.
        acl: Who may do what; see :mod:`.access`.
    """

    job_id: int
    settings: dict[str, Any]
    creator: str
    created_ms: int
    acl: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.settings.get("name") or "Untitled")


@dataclass
class Output:
    """
    What a task run leaves.

    Attributes:
        fields: Of ``get-output``: ``error``, ``error_trace``, ``sql_output`` and so on.
        result: What a notebook exited with.
        log: The file with what it printed.
        text: The same where there is no file.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    result: str | None = None
    log: str = ""
    text: str = ""


@dataclass(eq=False)
class TaskRun:
    """
    One attempt at one task.

    Attributes:
        spec: Its settings; with references resolved once it runs.
        attempt: From 0, over retries and repairs.
        item: The element of a for-each task that it is for.
        parent: The for-each task run that it belongs to.
        stop: How it is to end once it has been stopped.
        script: What it does instead of its work.
        values: Its task values.
        outcome: Of a condition task.
    """

    run_id: int
    run: Run
    spec: dict[str, Any]
    attempt: int = 0
    item: Any = None
    parent: TaskRun | None = None
    words: Words = BLOCKED
    start_ms: int = 0
    setup_ms: int = 0
    work_ms: int = 0
    end_ms: int = 0
    cluster_id: str = ""
    output: Output = field(default_factory=Output)
    values: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    iterations: list[TaskRun] = field(default_factory=list)
    child: Run | None = None
    script: Scripted | None = None
    stop: Words | None = None
    kill: Any = None

    @property
    def key(self) -> str:
        """Its task key."""
        return str(self.spec["task_key"])

    @property
    def kind(self) -> str:
        """Such as ``notebook_task``."""
        return kind_of(self.spec)

    @property
    def settings(self) -> dict[str, Any]:
        """Those of its kind."""
        found: dict[str, Any] = self.spec[self.kind]
        return found


@dataclass(eq=False)
class Repair:
    """
    One repair of a run, or the run as it was first.

    Attributes:
        repair_id: 0 for the run itself.
        tasks: The task runs of it.
    """

    repair_id: int
    start_ms: int
    tasks: list[TaskRun] = field(default_factory=list)
    end_ms: int = 0
    words: Words = PENDING


@dataclass(eq=False)
class Run:
    """
    A run.

    Attributes:
        kind: ``SUBMIT_RUN`` or ``JOB_RUN``.
        job_id: Also a submitted run has one.
        settings: What :func:`.settings.normalized` made.
        parameters: Job parameters by name.
        overriding: What ``run-now`` gave besides.
        tasks: All attempts at all tasks, in the order they were made.
        is_frozen: Its words were set by hand, and stay.
        done: Set when it has ended.
        body: Its last rendering; empty when something has changed.
        listed: The same without its lists.
    """

    run_id: int
    job_id: int
    kind: str
    settings: dict[str, Any]
    creator: str
    token: str = ""
    job: Job | None = None
    parameters: dict[str, str] = field(default_factory=dict)
    overriding: dict[str, Any] = field(default_factory=dict)
    trigger: str = "ONE_TIME"
    words: Words = PENDING
    tasks: list[TaskRun] = field(default_factory=list)
    repairs: list[Repair] = field(default_factory=list)
    acl: list[dict[str, Any]] = field(default_factory=list)
    created_ms: int = 0
    start_ms: int = 0
    end_ms: int = 0
    queue_ms: int = 0
    stop: Words | None = None
    is_frozen: bool = False
    waiter: TaskRun | None = None
    done: threading.Event = field(default_factory=threading.Event)
    body: bytes = b""
    listed: bytes = b""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.settings.get("run_name") or self.settings.get("name") or "Untitled")

    def latest(self) -> dict[str, TaskRun]:
        """Return the last attempt at each task."""
        return {task.key: task for task in self.tasks if task.parent is None}
