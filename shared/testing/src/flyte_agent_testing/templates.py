"""
What propeller sends, built in one call.

An example::

    template = task_template(
        "bigquery_job", sql="SELECT @n", inputs={"n": int}, outputs={"rows": list[int]}, custom={"kind": "query"}
    )
    request = create_request(template, {"n": 3})
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from flyteidl.admin.agent_pb2 import CreateTaskRequest, TaskExecutionMetadata
from flyteidl.core import (
    identifier_pb2,
    interface_pb2,
    literals_pb2,
    security_pb2,
    tasks_pb2,
)
from google.protobuf.json_format import ParseDict

from .literals import literal_map, literal_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

METADATA_ROOT = "s3://simulated-propeller/metadata"


def task_template(  # noqa: PLR0913  # everything a test may want to say, in one call
    task_type: str,
    *,
    name: str = "workflows.example.task",
    custom: Mapping[str, Any] | None = None,
    sql: str | None = None,
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    retries: int = 0,
    timeout_s: float = 0.0,
    secrets: Iterable[str] = (),
    config: Mapping[str, str] | None = None,
    task_type_version: int = 0,
) -> tasks_pb2.TaskTemplate:
    """
    Return a task as Flyte has it registered.

    Args:
        task_type: Routes it to an agent.
        name: Full name of the task.
        custom: JSON for the agent; numbers become doubles, as in Flyte.
        sql: Statement of a SQL task.
        inputs: Name -> Python type or ``LiteralType``.
        outputs: The same.
        retries: Attempts after the first.
        timeout_s: Seconds an attempt may take; 0 for ever.
        secrets: Keys of secrets the task asks for.
        config: The template's ``config``.
        task_type_version: Version of the task type.
    """
    template = tasks_pb2.TaskTemplate(
        id=_task_id(name),
        type=task_type,
        task_type_version=task_type_version,
        interface=interface_pb2.TypedInterface(
            inputs=_variables(inputs), outputs=_variables(outputs)
        ),
        config=dict(config or {}),
    )
    template.metadata.retries.retries = retries
    template.metadata.timeout.FromMilliseconds(round(timeout_s * 1000))
    if custom is not None:
        ParseDict(dict(custom), template.custom)
    if sql is not None:
        template.sql.statement = sql
        template.sql.dialect = tasks_pb2.Sql.ANSI
    for key in secrets:
        template.security_context.secrets.append(security_pb2.Secret(key=key))
    return template


def attempt_metadata(  # the same
    template: tasks_pb2.TaskTemplate,
    *,
    project: str = "flytesnacks",
    domain: str = "development",
    execution: str = "f0000000000000000000",
    node_id: str = "n0",
    workflow_name: str = "workflows.example.wf",
    retry_attempt: int = 0,
    labels: Mapping[str, str] | None = None,
) -> TaskExecutionMetadata:
    """
    Return whose attempt it is, with the labels propeller sets.

    Two nodes may have equal metadata (``node_id`` lacks the path of sub-workflows): only the output prefix
    tells them apart.

    Args:
        template: The task.
        project: Flyte project of the execution.
        domain: Flyte domain of the execution.
        execution: Name of the execution.
        node_id: Id of the node in its workflow.
        workflow_name: Full name of the workflow.
        retry_attempt: From 0.
        labels: The user's own labels; they win.
    """
    metadata = TaskExecutionMetadata(
        namespace=f"{project}-{domain}",
        k8s_service_account="default",
        labels={
            "execution-id": execution,
            "project": project,
            "domain": domain,
            "workflow-name": workflow_name.rpartition(".")[2],
            "node-id": node_id,
            "task-name": template.id.name.replace(".", "-").replace("_", "-"),
            "interruptible": "false",
            **(labels or {}),
        },
    )
    run = metadata.task_execution_id
    run.task_id.CopyFrom(template.id)
    run.retry_attempt = retry_attempt
    run.node_execution_id.node_id = node_id
    run.node_execution_id.execution_id.project = project
    run.node_execution_id.execution_id.domain = domain
    run.node_execution_id.execution_id.name = execution
    return metadata


def output_prefix(
    execution: str = "flytesnacks-development-f0000000000000000000",
    node_path: str = "n0",
    attempt: int = 0,
    *,
    root: str = METADATA_ROOT,
) -> str:
    """
    Return the folder of an attempt, which identifies it.

    Args:
        execution: Project, domain and name of the execution, joined with ``-``.
        node_path: Id of the node; below a sub-workflow ``n0/data/0/n1``.
        attempt: From 0.
        root: Where Flyte keeps its metadata.

    Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flytepropeller/pkg/apis/flyteworkflow/v1alpha1/node_status.go
    """
    return f"{root}/propeller/{execution}/{node_path}/data/{attempt}"


def action_prefix(
    project: str,
    domain: str,
    run: str,
    action: str,
    attempt: int = 0,
    *,
    root: str = METADATA_ROOT,
) -> str:
    """
    Return the folder of an attempt of Flyte 2, which counts them from 1 there.

    Args:
        project: Flyte project of the run.
        domain: Flyte domain of the run.
        run: Name of the run.
        action: Name of the action.
        attempt: From 0, as in ``retry_attempt``.
        root: Where Flyte keeps its metadata.

    Source: https://github.com/flyteorg/flyte/blob/v2.0.43/executor/pkg/plugin/task_exec_context.go
    """
    shard = hashlib.blake2b(f"{run}/{action}".encode(), digest_size=1).hexdigest()
    return f"{root}/{shard}/{project}/{domain}/{run}/{action}/{attempt + 1}"


def as_action(metadata: TaskExecutionMetadata, attempt: int) -> None:
    """
    Turn whose attempt it is into what Flyte 2 says about it: a run and an action.

    Args:
        metadata: Of Flyte 1; is changed.
        attempt: From 0.

    Source: https://github.com/flyteorg/flyte/blob/v2.0.43/executor/pkg/plugin/task_exec_metadata.go
    """
    node = metadata.task_execution_id.node_execution_id
    run, action = node.execution_id.name, node.node_id
    for label in ("execution-id", "workflow-name", "node-id", "interruptible"):
        metadata.labels.pop(label, None)
    metadata.labels.update({"run": run, "action": action, "attempt": str(attempt + 1)})
    metadata.environment_variables.update({"RUN_NAME": run, "ACTION_NAME": action})


def create_request(
    template: tasks_pb2.TaskTemplate,
    inputs: Mapping[str, Any] | literals_pb2.LiteralMap | None = None,
    *,
    metadata: TaskExecutionMetadata | None = None,
    prefix: str | None = None,
) -> CreateTaskRequest:
    """
    Return what propeller sends to start an attempt.

    Args:
        template: The task.
        inputs: Python values, encoded by the task's interface, or literals.
        metadata: Whose attempt it is; by default the first one of :func:`attempt_metadata`.
        prefix: Its folder; by default the one of :func:`output_prefix`.
    """
    return CreateTaskRequest(
        inputs=encode_inputs(template, inputs),
        template=template,
        output_prefix=output_prefix() if prefix is None else prefix,
        task_execution_metadata=attempt_metadata(template) if metadata is None else metadata,
    )


def encode_inputs(
    template: tasks_pb2.TaskTemplate, inputs: Mapping[str, Any] | literals_pb2.LiteralMap | None
) -> literals_pb2.LiteralMap:
    """Return inputs as literals of the types that the task's interface declares."""
    if isinstance(inputs, literals_pb2.LiteralMap):
        return inputs
    return literal_map(inputs or {}, template.interface.inputs.variables)


def _task_id(name: str) -> identifier_pb2.Identifier:
    return identifier_pb2.Identifier(
        resource_type=identifier_pb2.TASK,
        project="flytesnacks",
        domain="development",
        name=name,
        version="v1",
    )


def _variables(kinds: Mapping[str, Any] | None) -> interface_pb2.VariableMap:
    variables = {
        name: interface_pb2.Variable(type=literal_type(kind))
        for name, kind in (kinds or {}).items()
    }
    return interface_pb2.VariableMap(variables=variables)
