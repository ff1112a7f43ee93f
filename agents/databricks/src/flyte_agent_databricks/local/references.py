"""
``{{…}}`` in the settings of a task.

Source: https://docs.databricks.com/aws/en/jobs/dynamic-value-references
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from .errors import invalid

_REFERENCE = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")


def resolve(value: Any, names: Mapping[str, Any]) -> Any:
    """
    Return a value with every reference in its texts replaced.

    Args:
        value: JSON.
        names: What each reference stands for, such as ``job.run_id``; ``input`` and task values may be any JSON.

    Raises:
        ApiError: A reference to nothing.
    """
    if isinstance(value, str):
        return _REFERENCE.sub(lambda match: _text(_look_up(match[1], names)), value)
    if isinstance(value, list):
        return [resolve(item, names) for item in value]
    if isinstance(value, dict):
        return {key: resolve(item, names) for key, item in value.items()}
    return value


def _look_up(name: str, names: Mapping[str, Any]) -> Any:
    if name in names:
        return names[name]
    beginning, _, field = name.rpartition(".")
    found = names.get(beginning)
    if isinstance(found, dict) and field in found:
        return found[field]
    raise invalid(f"The reference {{{{{name}}}}} does not resolve to a value.")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
