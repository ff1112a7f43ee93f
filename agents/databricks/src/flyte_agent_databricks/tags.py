"""Names and tags of runs and clusters from Flyte's names: who pays for what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_agent_core.identity import Identity

_MAX_TAGS = 45
"""Of a cluster; https://docs.databricks.com/api/workspace/clusters/create"""

_MAX_CHARS = 127  # GCP's labels have 63, which Databricks cuts itself; AWS's have 255, Azure's 256
_ODD = re.compile(r"[^\w .:/=+@-]")
_NAME_CHARS = 200


def run_name(identity: Identity) -> str:
    """Return a run's name for people: the task and where in Flyte it belongs."""
    task = identity.task_name.rpartition(".")[2] or "task"
    place = "/".join(
        part
        for part in (identity.project, identity.domain, identity.execution, identity.node_id)
        if part
    )
    again = f" (attempt {identity.retry_attempt + 1})" if identity.retry_attempt else ""
    return f"flyte {task}{f' [{place}]' if place else ''}{again}"[:_NAME_CHARS]


def cluster_tags(own: Mapping[str, str], identity: Identity) -> dict[str, str]:
    """Return the tags of a cluster: those of the task, which win, and Flyte's names as far as they are known."""
    ours = {
        "flyte-project": identity.project,
        "flyte-domain": identity.domain,
        "flyte-execution": identity.execution,
        "flyte-node": identity.node_id,
        "flyte-task": identity.task_name,
        "flyte-workflow": identity.workflow_name,
    }
    tags = dict(own)
    for name, value in ours.items():
        if value and name not in tags and len(tags) < _MAX_TAGS:
            tags[name] = _ODD.sub("-", value)[-_MAX_CHARS:]
    return tags
