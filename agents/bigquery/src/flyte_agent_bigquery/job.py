"""A job as the REST API describes it, read without the vendor's library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class JobRef(NamedTuple):
    """
    What finds a job.

    Attributes:
        location: Jobs are regional: without it only the multi-regions US and EU are looked through.
    """

    project: str
    job_id: str
    location: str


class Job:
    """
    Read-only view of a job resource; a field that is missing is empty.

    Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job
    """

    def __init__(self, resource: Mapping[str, Any]) -> None:
        self.resource = resource

    @property
    def ref(self) -> JobRef:
        """How to find the job again, from the server's own answer."""
        ref = part(self.resource, "jobReference")
        return JobRef(*(str(ref.get(name) or "") for name in ("projectId", "jobId", "location")))

    @property
    def status(self) -> Mapping[str, Any]:
        """State, errorResult and errors."""
        return part(self.resource, "status")

    @property
    def state(self) -> str:
        """``PENDING``, ``RUNNING`` or ``DONE``."""
        return str(self.status.get("state") or "")

    @property
    def is_done(self) -> bool:
        """Whether the job is over, well or not."""
        return self.state == "DONE"

    @property
    def configuration(self) -> Mapping[str, Any]:
        """What was asked for, with the server's defaults filled in."""
        return part(self.resource, "configuration")

    @property
    def labels(self) -> Mapping[str, Any]:
        """The job's labels."""
        return part(self.configuration, "labels")

    @property
    def sql(self) -> str:
        """The statement of a query job."""
        return str(part(self.configuration, "query").get("query") or "")

    @property
    def statistics(self) -> Mapping[str, Any]:
        """Figures of any kind of job."""
        return part(self.resource, "statistics")

    @property
    def query_statistics(self) -> Mapping[str, Any]:
        """Figures of a query job."""
        return part(self.statistics, "query")

    @property
    def statement_type(self) -> str:
        """``SELECT``, ``SCRIPT``, ``CREATE_TABLE`` and so on; only known once the query was planned."""
        return str(self.query_statistics.get("statementType") or "")

    @property
    def stages(self) -> list[Mapping[str, Any]]:
        """The stages of the query plan."""
        return dicts(self.query_statistics.get("queryPlan"))

    @property
    def child_jobs(self) -> int:
        """How many jobs a script has started."""
        return integer(self.statistics.get("numChildJobs")) or 0

    @property
    def destination(self) -> Mapping[str, Any] | None:
        """The table the job wrote: the result of a query, the target of a load, copy or DDL statement."""
        for kind in ("query", "load", "copy"):
            table = part(self.configuration, kind).get("destinationTable")
            if isinstance(table, dict) and table.get("tableId"):
                return table
        table = self.query_statistics.get("ddlTargetTable")
        return table if isinstance(table, dict) else None


def part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return an object of a resource, empty if there is none."""
    value = of.get(name)
    return value if isinstance(value, dict) else {}


def dicts(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects of a list, empty if there is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def integer(value: Any) -> int | None:
    """Return an int64, which REST sends as text; ``None`` if there is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None
