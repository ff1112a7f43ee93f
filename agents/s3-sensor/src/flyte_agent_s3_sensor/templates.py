"""
``{inputs.name}`` in buckets, keys, prefixes and patterns.

A value is text of its own wherever it stands: in a pattern its special characters are escaped, so
it cannot match more than itself.
"""

from __future__ import annotations

import datetime as dt
import re
import typing
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PLACEHOLDER = re.compile(r"\{inputs\.(\w+)(?::([^{}]*))?\}")

_FORMAT = re.compile(r"(?:%[YmdHMSjy]|[\w./=-])+")
_DATES = ("date", "datetime")
_TEXTS = ("str", "int", "file")


def kind_of(annotation: Any) -> str:
    """Return what an input is to a template: one of the words below, or the type's own name."""
    if typing.get_origin(annotation) is list and typing.get_args(annotation) == (str,):
        return "list"
    found = _KINDS.get(annotation)
    if found:
        return found
    name = getattr(annotation, "__name__", str(annotation))
    return "file" if name.startswith("FlyteFile") else name


_KINDS: dict[Any, str] = {
    str: "str",
    int: "int",
    dt.date: "date",
    dt.datetime: "datetime",
}
TEMPLATE_KINDS = ("str", "int", "date", "datetime", "list[str] (alone)", "FlyteFile")


def literal(text: str) -> str:
    """Return a value as it stands in a key."""
    return text


def in_wildcard(text: str) -> str:
    """Return a value as it stands in a wildcard."""
    return re.sub(r"[*?\[]", lambda match: f"[{match[0]}]", text)


def in_regex(text: str) -> str:
    """Return a value as it stands in a regular expression."""
    return re.sub(r"[^\w/]", lambda match: _hex(match[0]), text, flags=re.ASCII)


def _hex(char: str) -> str:
    return char if ord(char) > 127 else f"\\x{ord(char):02x}"


def fill(
    field: str, text: str, values: Mapping[str, Any], escape: Callable[[str], str] = literal
) -> str:
    """
    Return ``text`` with the inputs in it.

    Raises:
        InvalidConfig: An input has no value, or is of a kind that is no text.
    """
    return PLACEHOLDER.sub(lambda m: escape(_text_of(field, m[1], values.get(m[1]), m[2])), text)


def fill_all(field: str, texts: Iterable[str], values: Mapping[str, Any]) -> list[str]:
    """Return several texts; one that is a placeholder for a list becomes its items."""
    return list(_filled(field, texts, values))


def _filled(field: str, texts: Iterable[str], values: Mapping[str, Any]) -> Iterator[str]:
    for text in texts:
        alone = PLACEHOLDER.fullmatch(text)
        found = values.get(alone[1]) if alone else None
        if isinstance(found, list):
            yield from (_text_of(field, f"{alone[1] if alone else ''}[]", v, None) for v in found)
        else:
            yield fill(field, text, values)


def _text_of(field: str, name: str, value: Any, spec: str | None) -> str:
    if value is None or isinstance(value, (bool, list, dict)):
        raise invalid(f"input {name!r}", value, f"text for {field}")
    if isinstance(value, dt.date):  # a datetime is a date
        return value.strftime(spec or "%Y-%m-%d")
    return str(value)


def moment_of(field: str, text: str, values: Mapping[str, Any]) -> float:
    """
    Return the seconds since 1970 of an ISO text, or of a placeholder for a moment.

    Raises:
        InvalidConfig: It is none.
    """
    alone = PLACEHOLDER.fullmatch(text)
    found = values.get(alone[1]) if alone else text
    if isinstance(found, str):
        try:
            found = dt.datetime.fromisoformat(found.replace("Z", "+00:00"))
        except ValueError:
            raise invalid(field, found, "a moment such as '2024-01-31T06:00:00+00:00'") from None
    if not isinstance(found, dt.datetime):
        raise invalid(field, found, "a moment", "Give the input a value.")
    return (found if found.tzinfo else found.replace(tzinfo=dt.timezone.utc)).timestamp()


def names_in(texts: Iterable[str]) -> list[tuple[str, str | None]]:
    """Return name and format of every placeholder."""
    return [(m[1], m[2]) for text in texts for m in PLACEHOLDER.finditer(text)]


def check(texts: Iterable[str], kinds: Mapping[str, str], other_uses: Iterable[str] = ()) -> None:
    """
    Compare placeholders with declared inputs.

    Args:
        texts: What may hold placeholders.
        kinds: Kind of each input, by name.
        other_uses: Inputs that are used for something else.

    Raises:
        InvalidConfig: One has no counterpart, or cannot be written into a name.
    """
    texts = list(texts)
    found = names_in(texts)
    for name, spec in found:
        if name not in kinds:
            repair = did_you_mean(name, kinds) or f"Declare it: inputs={{{name!r}: str}}."
            raise invalid("key", f"{{inputs.{name}}}", "an input of that name", repair)
        _check_spec(name, kinds[name], spec)
    alone = {m[1] for text in texts if (m := PLACEHOLDER.fullmatch(text))}
    for name, kind in kinds.items():
        if kind == "list" and name not in alone:
            raise invalid(f"input {name!r}", "list[str]", "a key that is the input alone",
                          f"Write key='{{inputs.{name}}}'.")  # fmt: skip
        if name not in {*(n for n, _ in found), *other_uses}:
            repair = f"Write {{inputs.{name}}} where it belongs, or remove the input."
            raise invalid("inputs", name, "an input that the sensor uses", repair)


def _check_spec(name: str, kind: str, spec: str | None) -> None:
    where = f"{{inputs.{name}}}"
    if kind not in (*_DATES, *_TEXTS, "list"):
        raise invalid(where, kind, f"an input of type {', '.join(TEMPLATE_KINDS)}")
    if spec is None and kind == "datetime":
        raise invalid(where, kind, "a format", f"Write {{inputs.{name}:%Y/%m/%d/%H}}.")
    if spec is not None and (kind not in _DATES or not _FORMAT.fullmatch(spec)):
        raise invalid(where, spec, "a format of %Y %m %d %H %M %S %j for a date, else none")
