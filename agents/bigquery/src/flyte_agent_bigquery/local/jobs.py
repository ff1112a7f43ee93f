"""Jobs: what a server knows of each, and how the REST API shows it.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from .errors import BigQueryError, duplicate, not_found
from .sql.scope import TableKey
from .tables import now_ms

PENDING, RUNNING, DONE = "PENDING", "RUNNING", "DONE"
USER = "local@stand-in.invalid"


@dataclass(eq=False)
class Job:
    """One job; only :class:`.scheduler.Scheduler` changes its state.

    Attributes:
        configuration: As sent, with what the server fills in.
        statistics: The part of ``statistics`` that belongs to the kind of job (``query``, ``load``, …).
        result: Table that getQueryResults reads.
        upload: Content sent with a load job.
    """

    project: str
    job_id: str
    location: str
    configuration: dict[str, Any]
    kind: str
    server_url: str = ""
    parent: Job | None = None
    upload: bytes | None = None
    state: str = PENDING
    created_ms: int = field(default_factory=now_ms)
    started_ms: int = 0
    ended_ms: int = 0
    error: BigQueryError | None = None
    warnings: list[BigQueryError] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    totals: dict[str, Any] = field(default_factory=dict)
    session_id: str = ""
    script: dict[str, Any] | None = None
    children: list[Job] = field(default_factory=list)
    result: TableKey | None = None
    done: threading.Event = field(default_factory=threading.Event)
    stopping: BigQueryError | None = None
    cursor: duckdb.DuckDBPyConnection | None = None
    listeners: list[Callable[[], None]] = field(default_factory=list)
    sequence: int = 0  # in the order jobs came
    revision: int = 0  # grows with what there is to show
    _body: tuple[tuple[str, int], bytes] | None = None

    @property
    def reference(self) -> dict[str, str]:
        """``JobReference``."""
        return {"projectId": self.project, "jobId": self.job_id, "location": self.location}

    def stop_if_asked(self) -> None:
        """Raises the error to end with when a cancellation or a timeout is waiting."""
        if self.stopping is not None:
            raise self.stopping

    def note(self, statistics: dict[str, Any]) -> None:
        """Keep what there is to tell of the job's work."""
        self.statistics = statistics
        self.revision += 1

    def resource(self) -> dict[str, Any]:
        """The REST resource."""
        link = f"{self.server_url}/bigquery/v2/projects/{self.project}/jobs/{self.job_id}"
        return {
            "kind": "bigquery#job",
            "etag": f"{self.created_ms}.{self.state}",
            "id": f"{self.project}:{self.location}.{self.job_id}",
            "selfLink": f"{link}?location={self.location}",
            "user_email": USER,
            "configuration": self.configuration,
            "jobReference": self.reference,
            "statistics": self.statistics_body(),
            "status": self.status(),
        }

    def status(self) -> dict[str, Any]:
        """``JobStatus``: a job that failed is DONE too, with an ``errorResult``."""
        errors = [*([self.error] if self.error else []), *self.warnings]
        status: dict[str, Any] = {"state": self.state}
        if self.error is not None:
            status["errorResult"] = self.error.proto()
        if errors:
            status["errors"] = [error.proto() for error in errors]
        return status

    def statistics_body(self) -> dict[str, Any]:
        """``JobStatistics``."""
        body: dict[str, Any] = {"creationTime": str(self.created_ms)}
        if self.started_ms:
            body["startTime"] = str(self.started_ms)
        if self.ended_ms:
            body["endTime"] = str(self.ended_ms)
            body["finalExecutionDurationMs"] = str(max(0, self.ended_ms - self.started_ms))
        if self.parent is not None:
            body["parentJobId"] = self.parent.job_id
        if self.children:
            body["numChildJobs"] = str(len(self.children))
        if self.script is not None:
            body["scriptStatistics"] = self.script
        if self.session_id:
            body["sessionInfo"] = {"sessionId": self.session_id}
        body |= self.totals
        if self.statistics:
            body[self.kind] = self.statistics
        return body

    def body(self) -> bytes:
        """The resource as JSON; made once for each thing there is to show, because it is polled."""
        kept, shown = self._body, (self.state, self.revision)
        if kept is None or kept[0] != shown:
            kept = (shown, json.dumps(self.resource(), separators=(",", ":")).encode())
            self._body = kept
        return kept[1]

    def listed(self, *, full: bool) -> dict[str, Any]:
        """The entry of a list; ``configuration`` is in the full projection only."""
        resource = self.resource()
        kept = {
            name: resource[name]
            for name in ("kind", "id", "jobReference", "statistics", "status", "user_email")
        }
        kept["state"] = self.state
        if self.error is not None:
            kept["errorResult"] = self.error.proto()
        return {**kept, "configuration": self.configuration} if full else kept


class JobStore:
    """All jobs of a server, in the order they came."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Job] = {}
        self._lock = threading.Lock()
        self._count = 0

    def add(self, job: Job) -> None:
        """Raises ``BigQueryError`` (``duplicate``) for an id that exists, also that of a job that is DONE."""
        with self._lock:
            if (job.project, job.job_id) in self._jobs:
                raise duplicate("Job", f"{job.project}:{job.location}.{job.job_id}")
            self._count += 1
            job.sequence = self._count
            self._jobs[job.project, job.job_id] = job

    def get(self, project: str, job_id: str, location: str = "") -> Job:
        """Raises ``BigQueryError`` (``notFound``), also for a job of another location."""
        job = self._jobs.get((project, job_id))
        if job is None or (location and location.lower() != job.location.lower()):
            raise not_found(
                "Job",
                f"{project}:{location or job_id}.{job_id}" if location else f"{project}:{job_id}",
            )
        return job

    def remove(self, job: Job) -> None:
        """Forget a job."""
        with self._lock:
            self._jobs.pop((job.project, job.job_id), None)

    def all(self, project: str = "") -> list[Job]:
        """Jobs, oldest first."""
        with self._lock:
            return [job for job in self._jobs.values() if not project or job.project == project]

    def __len__(self) -> int:
        return len(self._jobs)

    def count(self, prefix: str = "") -> int:
        """Jobs whose id starts with ``prefix``."""
        return sum(job.job_id.startswith(prefix) for job in self.all())
