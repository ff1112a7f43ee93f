"""The arguments of a task class that are flytekit's own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from ._flyte import TaskMetadata
from .fields import did_you_mean, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_METADATA = tuple(field.name for field in dataclasses.fields(TaskMetadata))
_FLYTEKIT = (
    "metadata", "environment", "docs", "security_ctx", "disable_deck", "enable_deck", "deck_fields",
)  # fmt: skip


def flytekit_options(
    where: str, options: Mapping[str, Any], own: Iterable[str] = ()
) -> dict[str, Any]:
    """
    Return the arguments for flytekit's ``PythonTask``; fields of ``TaskMetadata`` put into one.

    Args:
        where: The task class, for messages.
        options: What the author gave beside the class's own arguments: ``retries=3``…
        own: Names of the class's own arguments, for who misspelt one.

    Raises:
        InvalidConfig: A name that neither knows, or ``metadata`` and one of its fields.
    """
    known = (*_FLYTEKIT, *_METADATA)
    for name in options:
        if name not in known:
            repair = did_you_mean(name, (*known, *own)) or f"Known: {', '.join(known)}."
            raise invalid(where, name, "an argument of the task or of flytekit", repair)
    given = {name: value for name, value in options.items() if name in _METADATA}
    rest = {name: value for name, value in options.items() if name not in _METADATA}
    if given and rest.get("metadata") is not None:
        found = next(iter(given))
        raise invalid(where, found, "metadata=TaskMetadata(...) or its fields, not both")
    rest["metadata"] = rest.get("metadata") or TaskMetadata(**given)
    return rest
