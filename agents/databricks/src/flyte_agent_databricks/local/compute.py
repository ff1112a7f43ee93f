"""Clusters: nothing but names with a state, since every task runs on this machine."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from .errors import invalid
from .records import TaskRun
from .store import now_ms

LOCAL_CLUSTER = "0101-000000-local000"
"""A cluster that is always there, for ``existing_cluster_id``."""


@dataclass
class Cluster:
    """
    A cluster.

    Attributes:
        spec: As it was asked for.
        reason: Why it was terminated.
    """

    cluster_id: str
    spec: dict[str, Any]
    creator: str
    state: str = "RUNNING"
    reason: dict[str, Any] | None = None
    start_ms: int = 0
    end_ms: int = 0

    def body(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        found = {
            **self.spec,
            "cluster_id": self.cluster_id,
            "creator_user_name": self.creator,
            "state": self.state,
            "start_time": self.start_ms,
        }
        if self.reason is not None:
            found |= {"termination_reason": self.reason, "terminated_time": self.end_ms}
        return found


@dataclass
class Clusters:
    """All clusters by id."""

    known: dict[str, Cluster] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(
        self, cluster_id: str, spec: dict[str, Any] | None = None, creator: str = ""
    ) -> Cluster:
        """Make a cluster that tasks may name."""
        made = Cluster(cluster_id, dict(spec or {}), creator, start_ms=now_ms())
        self.known[cluster_id] = made
        return made

    def get(self, cluster_id: str) -> Cluster:
        """Return a cluster. Raises ``ApiError``: a 400, as Databricks has it."""
        if cluster_id not in self.known:
            raise invalid(f"Cluster {cluster_id} does not exist")
        return self.known[cluster_id]

    def for_task(self, task: TaskRun) -> str:
        """Return the id of the cluster that a task run is on, made if need be; empty for serverless."""
        spec, run = task.spec, task.run
        if spec.get("existing_cluster_id"):
            return str(spec["existing_cluster_id"])
        shared = spec.get("job_cluster_key")
        with self._lock:
            if shared:
                for other in run.tasks:
                    if other.spec.get("job_cluster_key") == shared and other.cluster_id:
                        return other.cluster_id
            wanted = _cluster_spec(task)
            return self._create(wanted, run.creator).cluster_id if wanted is not None else ""

    def env_of(self, task: TaskRun) -> dict[str, str]:
        """Return the environment variables of the cluster that a task run is on."""
        known = self.known.get(task.cluster_id)
        return {
            n: str(v)
            for n, v in ((known.spec if known else {}).get("spark_env_vars") or {}).items()
        }

    def terminate(
        self, cluster_id: str, code: str = "JOB_FINISHED", kind: str = "SUCCESS", **more: str
    ) -> None:
        """Note why a cluster has ended; the first reason stays."""
        known = self.known.get(cluster_id)
        if known is not None and known.reason is None:
            known.reason = {"code": code, "type": kind, "parameters": more}
            known.state, known.end_ms = "TERMINATED", now_ms()

    def _create(self, spec: dict[str, Any], creator: str) -> Cluster:
        stamp = time.strftime("%m%d-%H%M%S", time.gmtime())
        return self.add(f"{stamp}-{next(self._numbers):08x}", spec, creator)


def _cluster_spec(task: TaskRun) -> dict[str, Any] | None:
    if task.spec.get("new_cluster"):
        return dict(task.spec["new_cluster"])
    for each in task.run.settings.get("job_clusters") or []:
        if each.get("job_cluster_key") == task.spec.get("job_cluster_key"):
            return dict(each.get("new_cluster") or {})
    return None
