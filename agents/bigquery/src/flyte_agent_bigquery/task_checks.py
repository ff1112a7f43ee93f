"""The checks of a task: listed, named, and each with the table it is about."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from flyte_agent_core.fields import invalid

from .checks_sql import Check
from .config_author import BigQueryConfig
from .config_names import table_reference


def flat_checks(checks: Sequence[Check | Sequence[Check]]) -> list[Check]:
    """
    Return the checks, each once.

    Raises:
        InvalidConfig: There is none, one is something else, or two have one name.
    """
    listed: list[Any] = []
    for item in checks:
        listed.extend([item] if isinstance(item, Check) else item)
    wrong = [item for item in listed if not isinstance(item, Check)]
    if wrong or not listed:
        found = wrong[0] if wrong else listed
        raise invalid(
            "checks", found, "at least one check", "Make them with checks.column(...) etc."
        )
    names = [check.rule.name for check in listed]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise invalid("checks", twice[0], "a different name for each check", "Give it name='...'.")
    return listed


def placed_check(check: Check, table: str, config: BigQueryConfig) -> Check:
    """Return the check with the whole name of its table."""
    if not check.needs_table:
        return check
    text = check.table or table
    if not text:
        raise invalid(f"check {check.rule.name!r}", text, "a table", "Give the task table='d.t'.")
    parts = table_reference(f"check {check.rule.name!r}: table", text, config.known_project)
    whole = ".".join(parts[key] for key in ("projectId", "datasetId", "tableId") if key in parts)
    return dataclasses.replace(check, table=whole)
