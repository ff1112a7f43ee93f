"""What a failed job or a refused request becomes: an error whose message says what to do next."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .errors import UNKNOWN_REASON, Advice, advise

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_agent_core import AgentError


def to_error(
    reason: str, message: str, *, sql: str = "", otherwise: Advice = UNKNOWN_REASON
) -> AgentError:
    """
    Return what to raise or report for a reason and message of BigQuery's.

    Args:
        reason: ``errorResult.reason``, or that of a refused request.
        message: Its message, shown verbatim.
        sql: The statement, to show the line BigQuery points at.
        otherwise: What to do about a reason that is not in :data:`ERRORS`.
    """
    error, code, advice = advise(reason, message, otherwise)
    lines = (
        f"BigQuery {reason or 'error'}: {message.strip() or 'no message'}",
        excerpt(sql, message),
        advice.text,
    )
    return error(
        "\n".join(line for line in lines if line), code=code, retry_after_s=advice.retry_after_s
    )


def of_job(status: Mapping[str, Any], sql: str = "") -> AgentError | None:
    """
    Return why a finished job failed; ``None`` when it did not.

    Only ``errorResult`` says so: ``errors`` may hold warnings of a job that succeeded or still runs
    (https://cloud.google.com/bigquery/docs/running-jobs).
    """
    result = status.get("errorResult")
    if not isinstance(result, dict):
        return None
    return to_error(str(result.get("reason", "")), str(result.get("message", "")), sql=sql)


def was_cancelled(status: Mapping[str, Any]) -> bool:
    """Whether a job was cancelled; one that ran into its time limit is ``stopped`` too, but was not."""
    result = status.get("errorResult")
    if not isinstance(result, dict) or result.get("reason") != "stopped":
        return False
    return "timed out" not in str(result.get("message", "")).lower()


_POSITION = re.compile(r"at \[(\d+):(\d+)\]")
_SHOWN = 100


def excerpt(sql: str, message: str) -> str:
    """Return the line of ``sql`` that ``message`` points at (``at [line:column]``), marked; or ``""``."""
    found = _POSITION.search(message)
    lines = sql.split("\n") if found else []
    if not found or not 0 < int(found[1]) <= len(lines):
        return ""
    line, column = lines[int(found[1]) - 1].rstrip(), max(0, int(found[2]) - 1)
    start = max(0, column - _SHOWN // 2)
    shown = line[start : start + _SHOWN].replace("\t", " ")
    lead = f"{found[1]} | "
    return f"{lead}{shown}\n{' ' * (len(lead) + column - start)}^"
