"""
Job labels from Flyte's names, valid whatever the names are.

Keys and values: at most 63 characters of lower-case letters, digits, ``_`` and ``-``; letters of any script are
allowed; a key starts with a letter; at most 64 labels.
Source: https://cloud.google.com/bigquery/docs/labels-intro
"""

from __future__ import annotations

import hashlib
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_agent_core.identity import Identity

CONFIG_LABEL = "flyte-config"
"""Fingerprint of what the task asked for; compared before a job is adopted."""

_MAX_LABELS = 64
_MAX_CHARS = 63
_MAX_BYTES = 128  # of UTF-8: https://cloud.google.com/resource-manager/docs/labels-overview
_HASH = 8


def job_labels(own: Mapping[str, str], identity: Identity, fingerprint: str) -> dict[str, str]:
    """
    Return the labels of a job.

    Args:
        own: Those of the task; they win over ours and are sent as they are.
        identity: Flyte's names; those that are not known are left out.
        fingerprint: Value of :data:`CONFIG_LABEL`.
    """
    ours = {
        CONFIG_LABEL: fingerprint,
        "flyte-project": identity.project,
        "flyte-domain": identity.domain,
        "flyte-execution": identity.execution,
        "flyte-task": identity.task_name,
        "flyte-node": identity.node_id,
        "flyte-workflow": identity.workflow_name,
        "flyte-attempt": str(identity.retry_attempt) if identity.execution else "",
    }
    labels = dict(own)
    for key, value in ours.items():
        if value and key not in labels and len(labels) < _MAX_LABELS:
            labels[key] = label_value(value)
    return labels


def label_value(text: str) -> str:
    """
    Return ``text`` as a label's value.

    One that is too long keeps its end, where names differ, and gets a hash, so that two long names stay two values.
    """
    plain = "".join(_allowed(c) for c in unicodedata.normalize("NFC", text).lower()).strip("-_")
    if _fits(plain):
        return plain
    mark = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
    end = plain[-(_MAX_CHARS - _HASH - 1) :]
    while not _fits(f"{end}-{mark}"):
        end = end[1:]
    return f"{end.lstrip('-_')}-{mark}"


def _allowed(character: str) -> str:
    """Return ``character`` if it may stand in a label (lower-case or caseless letter, digit, ``_``), else ``-``."""
    category = unicodedata.category(character)
    return character if category in {"Ll", "Lo", "Nd", "Nl", "No"} or character == "_" else "-"


def _fits(text: str) -> bool:
    return len(text) <= _MAX_CHARS and len(text.encode("utf-8")) <= _MAX_BYTES
