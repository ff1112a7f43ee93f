"""What every kind of work has in common."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_agent_core.fields import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Parameters = dict[str, Any]
"""Name to value; values become text, and may hold ``{inputs.name}``."""


@dataclass
class Work:
    """
    Base of the kinds of work.

    Attributes:
        options: Further fields of the kind in Databricks' REST API, spelt as it spells them.
    """

    api: ClassVar[str] = ""
    output: ClassVar[str] = ""
    options: dict[str, Any] = field(default_factory=dict, kw_only=True)

    def rest(self) -> dict[str, Any]:
        """Return the part of a task in Databricks' REST API."""
        return {self.api: given_of({**self.fields(), **self.options})}

    def fields(self) -> dict[str, Any]:
        """Return the fields of the kind, by their names in the API."""
        names = [f.name for f in dataclasses.fields(self) if f.name != "options"]
        return {name: getattr(self, name) for name in names}


def given_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given."""
    return {name: value for name, value in fields.items() if value not in (None, {}, [], ())}


def texts_of(values: Sequence[Any]) -> list[str]:
    """
    Return parameters as texts.

    Raises:
        InvalidConfig: It is one text, and no list.
    """
    if isinstance(values, str):
        raise invalid("parameters", values, "a list of texts", f"Write [{values!r}].")
    return [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
