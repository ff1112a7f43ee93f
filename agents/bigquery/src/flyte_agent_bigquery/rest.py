"""The form of requests and answers of the jobs API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from flyte_agent_core import ProtocolError, TaskError

from .cost import size_text
from .job import Job, part

if TYPE_CHECKING:
    from .job import JobRef
    from .sensor_meta import Place

MAX_REQUEST_BYTES = 10 * 1024 * 1024
"""BigQuery's limit for a request with its parameters; https://cloud.google.com/bigquery/quotas#query_jobs"""

TABLE_FIELDS = (
    "tableReference", "type", "creationTime", "lastModifiedTime", "numRows", "numBytes", "streamingBuffer",
)  # fmt: skip
"""What is asked of a table: not its schema, which may have ten thousand columns."""

ROUTINE_FIELDS = ("routineReference", "routineType", "creationTime", "lastModifiedTime")
"""What is asked of a routine: not its code."""


def encoded(body: dict[str, Any]) -> bytes:
    """
    Return a request's body.

    Raises:
        TaskError: BigQuery takes no such large request, and would cut the connection instead of saying so.
    """
    data = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > MAX_REQUEST_BYTES:
        raise TaskError(
            f"The job has {size_text(len(data))} of SQL and inputs, expected at most {size_text(MAX_REQUEST_BYTES)}: "
            "BigQuery takes no larger request. Load the data into a table first, and name that in the query.",
            code="BIGQUERY.REQUEST_TOO_LARGE",
        )
    return data


def same_job(answer: dict[str, Any], ref: JobRef) -> dict[str, Any]:
    """
    Return a job if it is the one that was asked for.

    Raises:
        ProtocolError: It is something else, such as the page of a proxy.
    """
    if Job(answer).ref.job_id != ref.job_id:
        raise ProtocolError(
            f"BigQuery answered an object without job {ref.job_id}: a proxy in between may have sent it",
            code="BIGQUERY.GARBLED",
        )
    return answer


def place_of(ref: JobRef) -> dict[str, str]:
    """Return the query parameter that says where a job is."""
    return {"location": ref.location} if ref.location else {}


def project_path(project: str) -> str:
    """Return the path of a project; one of a domain keeps its colon."""
    return f"/projects/{quote(project, safe=':')}"


def place_path(place: Place) -> str:
    """Return the path of a table, a partition or a routine."""
    kind = "routines" if place.is_routine else "tables"
    dataset = f"{project_path(place.project)}/datasets/{quote(place.dataset, '')}"
    return f"{dataset}/{kind}/{quote(place.name, safe='$')}"


def same_place(answer: dict[str, Any], place: Place) -> dict[str, Any]:
    """
    Return a table or routine if it is the one that was asked for.

    Raises:
        ProtocolError: It is something else: the page of a proxy, or the whole table instead of a partition.
    """
    name = "routine" if place.is_routine else "table"
    found = part(answer, f"{name}Reference").get(f"{name}Id")
    if found != place.name:
        raise ProtocolError(
            f"BigQuery answered {name} {found!r}, expected {place.name!r}: a proxy in between may have sent it",
            code="BIGQUERY.GARBLED",
        )
    return answer
