"""
What a check task found, read from the job alone.

A poll has no task template, and the rules of many checks do not fit into Flyte's metadata. So they travel as a comment
at the end of the query, which BigQuery gives back with the job.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from flyte_agent_core import ProtocolError, TaskError

from .checks_rules import CheckRule, evaluate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .checks_rules import CheckReport
    from .config import JobRequest

_MARK = "\n-- flyte-agent-bigquery checks: "


@dataclasses.dataclass(frozen=True)
class Rules:
    """How the rows of a check task are judged, and whether a failed check fails the task."""

    checks: Sequence[CheckRule]
    fails: bool

    def report(self, rows: Sequence[Mapping[str, Any]]) -> CheckReport:
        """Return the report on the rows of the query."""
        return evaluate(self.checks, rows)


def with_rules(sql: str, request: JobRequest) -> str:
    """Return ``sql`` with the rules of the task's checks behind it; unchanged when it has none."""
    if not request.checks:
        return sql
    rules = {
        "fails": request.on_failure == "fail",
        "checks": [rule.to_custom() for rule in request.checks],
    }
    return (
        sql + _MARK + json.dumps(rules, separators=(",", ":"))
    )  # ASCII only: no line break of any kind


def rules_of(sql: str) -> Rules:
    """
    Return the rules that :func:`with_rules` put behind a query.

    Raises:
        ProtocolError: There are none.
    """
    _, mark, text = sql.rpartition(_MARK)
    try:
        found = json.loads(text) if mark else {}
        return Rules(
            [CheckRule.from_custom(rule) for rule in found["checks"]], bool(found["fails"])
        )
    except (ValueError, KeyError, TypeError, TaskError) as error:
        raise ProtocolError(
            f"the job's query does not end with the rules of its checks: {error}",
            code="BIGQUERY.GARBLED",
        ) from error
