"""
Prompts as templates: ``{name}`` is the value of an input, ``{name:.2f}`` the same in a format, ``{{`` a brace.

Values are put in as they are and are never read as a template themselves.
"""

from __future__ import annotations

import datetime as dt
import json
import string
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def names_in(where: str, template: str) -> list[str]:
    """
    Return the inputs a template names, in order, each once.

    Raises:
        InvalidConfig: It is no template.
    """
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise invalid(
            where, template, f"a template ({error})", "Write {{ and }} for braces that are text."
        ) from None
    found: dict[str, None] = {}
    for _, name, _, conversion in parts:
        if name is None:
            continue
        if not name.isidentifier() or conversion:
            raise invalid(
                where, "{" + name + "}", "the name of an input, such as {article}",
                "Write {{ and }} for braces that are text, such as those of JSON.",
            )  # fmt: skip
        found[name] = None
    return list(found)


def check_names(where: str, template: str, inputs: Iterable[str]) -> list[str]:
    """
    Return the inputs a template names.

    Raises:
        InvalidConfig: It names one that the task does not have.
    """
    known = list(inputs)
    names = names_in(where, template)
    for name in names:
        if name not in known:
            repair = did_you_mean(name, known) or f"Declare it: inputs={{{name!r}: str}}."
            raise invalid(where, "{" + name + "}", "an input of that name", repair)
    return names


def fill(where: str, template: str, values: Mapping[str, Any]) -> str:
    """
    Return a template with the values of the inputs.

    Raises:
        InvalidConfig: An input has no value, or one that the format does not fit.
    """
    made: list[str] = []
    for text, name, spec, _ in string.Formatter().parse(template):
        made.append(text)
        if name is not None:
            made.append(_text_of(where, name, spec or "", values))
    return "".join(made)


def _text_of(where: str, name: str, spec: str, values: Mapping[str, Any]) -> str:
    if name not in values:
        repair = did_you_mean(name, values) or f"Known: {', '.join(values) or 'none'}."
        raise invalid(where, "{" + name + "}", "an input of that name", repair)
    value = values[name]
    if spec:
        try:
            return format(value, spec)
        except (TypeError, ValueError) as error:
            raise invalid(
                f"{where}, {{{name}:{spec}}}", value, f"a value for that format ({error})"
            ) from None
    return plain(value)


def plain(value: Any) -> str:
    """Return a value as text: JSON for lists and records, nothing for ``None``."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (list, dict, bool)):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    return str(value)
