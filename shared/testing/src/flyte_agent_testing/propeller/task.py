"""A task that is to be run, and the requests propeller makes for it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyteidl.admin import agent_pb2
from flyteidl.core.tasks_pb2 import TaskTemplate

from flyte_agent_testing import templates

from .stubs import Outgoing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl.core.literals_pb2 import LiteralMap

    from .outcome import AttemptRecord
    from .settings import Settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskRun:
    """
    One node of one execution.

    Attributes:
        template: The task.
        inputs: Python values or literals.
        retries: Attempts after the first; ``None`` takes the template's.
        timeout_s: Virtual seconds an attempt may take; ``None`` takes the template's, 0 is for ever.
        abort_after_s: When the user aborts, in virtual seconds after the start; ``None`` for never.
        project: Flyte project.
        domain: Flyte domain.
        execution: Name of the execution; made up if empty.
        node_id: Id of the node, as sent.
        node_path: The node in the output prefix; by default ``node_id``.
        workflow_name: Full name of the workflow.
        labels: The user's labels.
    """

    template: TaskTemplate
    inputs: Mapping[str, Any] | LiteralMap | None = None
    retries: int | None = None
    timeout_s: float | None = None
    abort_after_s: float | None = None
    project: str = "flytesnacks"
    domain: str = "development"
    execution: str = ""
    node_id: str = "n0"
    node_path: str = ""
    workflow_name: str = "workflows.example.wf"
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def max_attempts(self) -> int:
        """How many attempts the user allows."""
        return 1 + (
            self.template.metadata.retries.retries if self.retries is None else self.retries
        )

    @property
    def attempt_limit_s(self) -> float:
        """How long an attempt may take; infinite if nobody said."""
        own = self.template.metadata.timeout.ToMilliseconds() / 1000
        limit_s = own if self.timeout_s is None else self.timeout_s
        return limit_s or float("inf")

    @property
    def name(self) -> str:
        """Execution and node."""
        return f"{self.execution}/{self.node_path or self.node_id}"

    @property
    def category(self) -> agent_pb2.TaskCategory:
        """What routes its requests."""
        return agent_pb2.TaskCategory(
            name=self.template.type, version=self.template.task_type_version
        )

    def output_prefix(self, attempt: int, settings: Settings) -> str:
        """Return the folder of an attempt."""
        if settings.flyte == 2:
            return templates.action_prefix(
                self.project,
                self.domain,
                self.execution,
                self.node_id,
                attempt,
                root=settings.metadata_root,
            )
        execution = f"{self.project}-{self.domain}-{self.execution}"
        path = self.node_path or self.node_id
        return templates.output_prefix(execution, path, attempt, root=settings.metadata_root)

    def create_request(self, record: AttemptRecord, connection: bytes = b"") -> Outgoing:
        """Return what starts an attempt; every time the same."""
        metadata = templates.attempt_metadata(
            self.template,
            project=self.project,
            domain=self.domain,
            execution=self.execution,
            node_id=self.node_id,
            workflow_name=self.workflow_name,
            retry_attempt=record.number,
            labels=self.labels,
        )
        if connection:
            templates.as_action(metadata, record.number)
        request = templates.create_request(
            self.template, self.inputs, metadata=metadata, prefix=record.output_prefix
        )
        return Outgoing(request, connection)

    def get_request(self, meta: bytes, output_prefix: str, connection: bytes = b"") -> Outgoing:
        """Return what polls an attempt."""
        request = agent_pb2.GetTaskRequest(
            task_type="" if connection else self.template.type,
            task_category=self.category,
            resource_meta=meta,
            output_prefix=output_prefix,
        )
        return Outgoing(request, connection)

    def delete_request(self, meta: bytes, connection: bytes = b"") -> Outgoing:
        """Return what cancels an attempt."""
        request = agent_pb2.DeleteTaskRequest(
            task_type="" if connection else self.template.type,
            task_category=self.category,
            resource_meta=meta,
        )
        return Outgoing(request, connection)


def as_task_run(task: TaskRun | TaskTemplate | Any) -> TaskRun:
    """
    Return something that can be run as a :class:`TaskRun`.

    Args:
        task: That, a ``TaskTemplate``, or a flytekit model of one.

    Raises:
        TypeError: It is none of these.
    """
    if isinstance(task, TaskRun):
        return task
    if hasattr(task, "to_flyte_idl"):
        task = task.to_flyte_idl()
    if not isinstance(task, TaskTemplate):
        raise TypeError(
            f"task: found {type(task).__name__}, expected a TaskTemplate (see task_template) or a TaskRun"
        )
    return TaskRun(template=task)
