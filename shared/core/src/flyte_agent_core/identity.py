"""Whose task this is, and the key that makes an attempt recognisable."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import TaskExecutionMetadata
    from flyteidl.core.tasks_pb2 import TaskTemplate


_ORIGIN_CHARS = 200  # Flyte's names have at most 63; metadata is small


@dataclasses.dataclass(frozen=True)
class Identity:
    """
    Flyte's names for the task being run; ``""`` where the caller did not say.

    ``node_id`` alone does not tell nodes apart: the nodes of two sub-workflows share it.
    """

    project: str = ""
    domain: str = ""
    execution: str = ""
    node_id: str = ""
    task_name: str = ""
    task_version: str = ""
    workflow_name: str = ""
    namespace: str = ""
    service_account: str = ""
    retry_attempt: int = 0
    labels: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def origin(self) -> str:
        """``project/domain/execution``, bounded; ``""`` when nothing of it is known."""
        said = f"{self.project}/{self.domain}/{self.execution}"
        return "" if said == "//" else said[:_ORIGIN_CHARS]


def identify(template: TaskTemplate, metadata: TaskExecutionMetadata | None) -> Identity:
    """Return the identity in a create request; a local run has only the template's."""
    task = template.id
    if metadata is None:
        return Identity(task.project, task.domain, task_name=task.name, task_version=task.version)
    run = metadata.task_execution_id
    node = run.node_execution_id
    labels = dict(metadata.labels)
    return Identity(
        project=node.execution_id.project or task.project,
        domain=node.execution_id.domain or task.domain,
        execution=node.execution_id.name,
        node_id=node.node_id,
        task_name=run.task_id.name or task.name,
        task_version=run.task_id.version or task.version,
        workflow_name=labels.get("workflow-name", ""),
        namespace=metadata.namespace,
        service_account=metadata.k8s_service_account,
        retry_attempt=run.retry_attempt,
        labels=labels,
    )


def attempt_key(output_prefix: str, identity: Identity) -> str:
    """
    Return 32 hex digits, equal for every repetition of create for one attempt and for no other.

    Flyte's output prefix names execution, node path and attempt; the task execution id does not
    name the path. The id goes in as well, so that a prefix that a platform configured badly cannot
    join two executions.
    """
    run = (identity.project, identity.domain, identity.execution, str(identity.retry_attempt))
    parts = (output_prefix, *run)
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]


def job_id(key: str, identity: Identity, generation: int = 0) -> str:
    """Return a name of at most 64 characters of ``[A-Za-z0-9_-]``, readable at the front."""
    words = [identity.execution, identity.node_id, str(identity.retry_attempt)]
    readable = "-".join(re.sub(r"[^A-Za-z0-9]+", "-", word).strip("-") for word in words if word)
    end = key if generation == 0 else f"{key[:29]}-g{generation}"
    return "-".join(
        part
        for part in ("flyte", readable[: 64 - len("flyte--") - len(end)].strip("-"), end)
        if part
    )
