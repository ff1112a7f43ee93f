"""What a job's body must look like before there is a job.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfiguration
"""

from __future__ import annotations

import copy
import re
from typing import Any

from .errors import BigQueryError

KINDS = ("query", "load", "extract", "copy")
_REQUIRED = {
    "query": ("query",),
    "load": ("destinationTable",),
    "extract": (),
    "copy": ("destinationTable",),
}
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,1024}")
_INT64 = ("maximumBytesBilled", "maxBadRecords", "skipLeadingRows")
_PRIORITIES = ("INTERACTIVE", "BATCH")
MAX_LABELS = 64
MAX_LABEL_CHARACTERS = 63


def job_kind(body: dict[str, Any]) -> str:
    """Which kind of job a body describes. Raises ``BigQueryError`` unless it is one."""
    configuration = body.get("configuration") or {}
    found = [kind for kind in KINDS if isinstance(configuration.get(kind), dict)]
    if len(found) != 1:
        wanted = "exactly one job-specific configuration object (e.g., query, load, extract, spark)"
        problem = f"Job configuration must contain {wanted}, but there were {len(found)}"
        raise BigQueryError("invalid", f"{problem}: {', '.join(found)}")
    return found[0]


def checked_job(
    body: dict[str, Any], kind: str, project: str, *, uploads: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The job's reference and its configuration as BigQuery would show it. Raises ``BigQueryError``."""
    reference = body.get("jobReference") or {}
    job_id = reference.get("jobId")
    if job_id is not None and not _JOB_ID.fullmatch(str(job_id)):
        rule = "must be alphanumeric (plus underscores and dashes), at most 1024 characters long"
        raise BigQueryError("invalid", f'Invalid job ID "{str(job_id)[:80]}". Job IDs {rule}.')
    if (reference.get("projectId") or project) != project:
        raise BigQueryError(
            "invalid", "Value for jobReference.projectId does not match the project of the request"
        )
    configuration = copy.deepcopy(body["configuration"])
    config = configuration[kind]
    for name in _REQUIRED[kind]:
        if not config.get(name):
            raise BigQueryError("required", f"Required parameter is missing: {name}", location=name)
    if kind == "load" and not uploads and not config.get("sourceUris"):
        raise BigQueryError(
            "required", "Required parameter is missing: sourceUris", location="sourceUris"
        )
    check_labels(configuration.get("labels") or {})
    _numbers(configuration, ("jobTimeoutMs",))
    _numbers(config, _INT64 if kind == "query" else ())
    if kind == "query":
        priority = str(config.setdefault("priority", "INTERACTIVE")).upper()
        if priority not in _PRIORITIES:
            raise BigQueryError(
                "invalid", f"Invalid value for priority: {priority} is not a valid value"
            )
    configuration["jobType"] = kind.upper()
    return reference, configuration


def _numbers(config: dict[str, Any], names: tuple[str, ...]) -> None:
    """64-bit numbers are shown as strings."""
    for name in names:
        if config.get(name) is None:
            continue
        try:
            config[name] = str(int(config[name]))
        except (TypeError, ValueError):
            message = f"Invalid value at 'job.configuration.{name}' (TYPE_INT64), {config[name]!r}"
            raise BigQueryError("invalid", message, location=name) from None


def check_labels(labels: dict[str, Any]) -> None:
    """Raises ``BigQueryError`` for labels that BigQuery does not take.

    Source: https://cloud.google.com/bigquery/docs/labels-intro#requirements
    """
    if len(labels) > MAX_LABELS:
        raise BigQueryError(
            "invalid", f"The resource may have at most {MAX_LABELS} labels, found {len(labels)}"
        )
    for key, value in labels.items():
        good = (
            key
            and not key[0].isdigit()
            and key[0] not in "_-"
            and _label_text(key)
            and _label_text(str(value))
        )
        if not good:
            rule = 'at most 63 lowercase letters, digits, "_" or "-"; a key starts with a letter'
            raise BigQueryError("invalid", f'Label "{key}": "{value}" is not valid: {rule}')


def _label_text(text: str) -> bool:
    allowed = all(char in "_-" or (char.isalnum() and char == char.lower()) for char in text)
    return allowed and len(text) <= MAX_LABEL_CHARACTERS
