"""Names BigQuery gives meaning to: projects, datasets, tables, labels; read and checked."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from flyte_agent_core.fields import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z0-9][a-z0-9-]*[a-z0-9]")
_DATASET = re.compile(r"[A-Za-z0-9_]{1,1024}")
_LOCATION = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
# The same rule as that of flyte_agent_core.secrets, where the name is looked up.
_SECRET = re.compile(r"(?=.{1,127}\Z)[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*")
_TABLE_CATEGORIES = ("L", "M", "N", "Pc", "Pd", "Zs")

MAX_LABELS = 63
"""BigQuery takes 64 labels on a job; the agent adds one that it recognises its job by."""

AGENT_LABEL = "flyte-config"
"""Key of that label."""


def check_project(field: str, project: str) -> None:
    """Raise if ``project`` cannot be a project id."""
    if not _PROJECT.fullmatch(project):
        raise invalid(
            field,
            project,
            "a project id: lower-case letters, digits and -",
            "Not the display name.",
        )


def check_location(field: str, location: str | None) -> None:
    """Raise if ``location`` cannot be a region."""
    if location is not None and not _LOCATION.fullmatch(location):
        raise invalid(field, location, "a region such as 'US', 'EU' or 'europe-west4'")


def check_secret(field: str, name: str | None) -> None:
    """Raise if ``name`` is a credential itself instead of the name of one."""
    if name is not None and not _SECRET.fullmatch(name):
        # What was found is not shown: it may be the key.
        raise invalid(
            field,
            f"<{len(name)} characters>",
            "the name of a secret",
            "Store the key as a secret of the agent service and give its name here.",
        )


def check_accounts(field: str, accounts: list[str]) -> None:
    """Raise if one of ``accounts`` cannot be a service account."""
    for account in accounts:
        if not _ACCOUNT.fullmatch(account):
            raise invalid(
                field, account, "a service account such as 'etl@my-project.iam.gserviceaccount.com'"
            )


def dataset_reference(field: str, text: str, project: str | None) -> dict[str, str]:
    """
    Return the REST ``DatasetReference`` of ``dataset`` or ``project.dataset``.

    Raises:
        InvalidConfig: It is neither.
    """
    owner, _, dataset = text.strip("`").rpartition(".")
    if not _DATASET.fullmatch(dataset):
        raise invalid(field, text, "'dataset' or 'project.dataset': letters, digits and _")
    if owner:
        check_project(field, owner)
    named = owner or project
    return {"datasetId": dataset, **({"projectId": named} if named else {})}


def table_reference(field: str, text: str, project: str | None) -> dict[str, str]:
    """
    Return the REST ``TableReference`` of a table's name.

    Args:
        field: What is read, for the message.
        text: ``project.dataset.table`` or ``dataset.table``, also as ``bq://project.dataset.table``
            or ``project:dataset.table``; the table may have a partition such as ``$20241231``.
        project: Project of a table that does not name one; if that is not known either, the agent
            puts in the project the job runs in.

    Raises:
        InvalidConfig: It is not a table's name.
    """
    owner, dataset, table = _split_table(text)
    if not _DATASET.fullmatch(dataset) or not _is_table(table):
        raise invalid(field, text, "'project.dataset.table' or 'dataset.table'")
    if owner:
        check_project(field, owner)
    named = owner or project
    made = {"datasetId": dataset, "tableId": table}
    return {"projectId": named, **made} if named else made


def _split_table(text: str) -> tuple[str, str, str]:
    plain = text.removeprefix("bq://").strip("`")
    parts = plain.rsplit(".", 2)
    if len(parts) == 2 and ":" in parts[0]:  # the form of legacy SQL and of bq:// URIs
        parts = [*parts[0].rsplit(":", 1), parts[1]]
    elif len(parts) == 3 and ":" in parts[1]:
        # the dots are part of the project: example.com:project:dataset.table
        head, _, dataset = f"{parts[0]}.{parts[1]}".rpartition(":")
        parts = [head, dataset, parts[2]]
    owner, dataset, table = ["", "", "", *parts][-3:]
    return owner, dataset, table


def _is_table(name: str) -> bool:
    base = name.partition("$")[0]
    return (
        0 < len(base.encode()) <= 1024
        and all(unicodedata.category(c).startswith(_TABLE_CATEGORIES) for c in base)
        and re.fullmatch(r"(\$[A-Za-z0-9_]+)?", name[len(base) :]) is not None
    )


def check_labels(field: str, labels: Mapping[str, str]) -> None:
    """
    Raise if BigQuery would refuse the labels.

    Source: https://cloud.google.com/bigquery/docs/labels-intro#requirements
    """
    if len(labels) > MAX_LABELS:
        raise invalid(field, len(labels), f"at most {MAX_LABELS} labels", "Remove some.")
    if AGENT_LABEL in labels:
        raise invalid(field, AGENT_LABEL, "another key", "The agent uses this one itself.")
    for key, value in labels.items():
        if not key or not key[0].isalpha() or not _is_label(key):
            raise invalid(
                f"{field} key", key, _LABEL_RULE + ", beginning with a letter", _near(key)
            )
        if not _is_label(value):
            raise invalid(f"{field}[{key!r}]", value, _LABEL_RULE, _near(value))


_LABEL_RULE = "at most 63 lower-case letters, digits, _ and -"


def _is_label(text: str) -> bool:
    return len(text) <= 63 and len(text.encode()) <= 128 and all(map(_in_label, text))


def _in_label(character: str) -> bool:
    if character in "_-":
        return True
    return unicodedata.category(character) in ("Ll", "Lo", "Lm", "Mn", "Mc", "Nd")


def _near(text: str) -> str:
    made = "".join(c if _in_label(c) else "-" for c in text.lower())[:63]
    return f"Write {made!r}." if made and made != text else ""
