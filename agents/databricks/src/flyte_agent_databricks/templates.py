"""
``{inputs.name}`` in the texts of a job: paths, parameters, names, tags.

The author's side compares the placeholders with the declared inputs; the agent puts the values in.
Where a text is data for the job (its parameters) a value may be anything; elsewhere it is a part of
a name, so that whoever gives the input cannot choose another notebook than the author meant.
``{{…}}`` is Databricks' own, and is left alone.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import json
import re
import types
import typing
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid
from flyte_agent_core.inputs import FileRef
from flyte_agent_core.outputs import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

PLACEHOLDER = re.compile(r"(?<!\{)\{inputs\.(\w+)(?::([^{}]*))?\}(?!\})")

DATA_FIELDS = frozenset({
    "base_parameters", "dashboard_subscription", "description", "inputs", "job_parameters", "left",
    "named_parameters", "notebook_params", "parameters", "python_named_params", "right", "run_name",
    "tags",
})  # fmt: skip
"""Fields whose texts are data for the job; in any other a value is a part of a name."""

_FORMAT = re.compile(r"(?:%[YmdHMSj]|[\w ./:=-])+")
_PART = re.compile(r"[\w ./:=+~@-]+")
_KINDS: dict[Any, str] = {
    str: "str",
    bool: "bool",
    int: "int",
    float: "float",
    dt.date: "date",
    dt.datetime: "datetime",
    dt.timedelta: "duration",
}


def kind_of(annotation: Any) -> str:
    """Return what an input is to a template: ``str``, …, ``file``, or ``json`` for what has parts."""
    hint = _without_none(annotation)
    found = _KINDS.get(hint)
    if found:
        return found
    if typing.get_origin(hint) is typing.Annotated:
        return kind_of(typing.get_args(hint)[0])
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return "str"
    if typing.get_origin(hint) in (list, dict) or hint in (list, dict):
        return "json"
    if dataclasses.is_dataclass(hint) and not _is_reference(hint):
        return "json"
    return "file" if _is_reference(hint) else str(getattr(hint, "__name__", hint))


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    rest = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    return rest[0] if len(rest) == 1 else hint


def _is_reference(hint: Any) -> bool:
    from flytekit.types.directory import FlyteDirectory
    from flytekit.types.file import FlyteFile
    from flytekit.types.structured import StructuredDataset

    return isinstance(hint, type) and issubclass(
        hint, (FlyteFile, FlyteDirectory, StructuredDataset)
    )


def texts_of(node: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield the name of the field, and the text, of every text in a JSON value."""
    if isinstance(node, str):
        yield field, node
    elif isinstance(node, dict):
        for key, item in node.items():
            yield from texts_of(item, field if field in DATA_FIELDS else str(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from texts_of(item, field)


def check(node: Any, kinds: Mapping[str, str], other_uses: Iterable[str] = ()) -> None:
    """
    Compare the placeholders of a job with the declared inputs.

    Args:
        node: The job, as JSON.
        kinds: Kind of each input, by name.
        other_uses: Inputs that are used for something else.

    Raises:
        InvalidConfig: One has no counterpart, or a type that is no text.
    """
    used = set(other_uses)
    for field, text in texts_of(node):
        for match in PLACEHOLDER.finditer(text):
            _check_one(field, match[1], match[2], kinds)
            used.add(match[1])
    for name in kinds:
        if name not in used:
            repair = f"Write {{inputs.{name}}} where it belongs, or remove the input."
            raise invalid("inputs", name, "an input that the job uses", repair)


def _check_one(field: str, name: str, spec: str | None, kinds: Mapping[str, str]) -> None:
    where = f"{field}: {{inputs.{name}}}"
    if name not in kinds:
        repair = did_you_mean(name, kinds) or f"Declare it: inputs={{{name!r}: str}}."
        raise invalid(where, name, "an input of that name", repair)
    kind = kinds[name]
    if kind not in (*_KINDS.values(), "json", "file"):
        raise invalid(where, kind, "text, a number, a moment, a list, dict or dataclass, a file")
    if kind == "json" and field not in DATA_FIELDS:
        raise invalid(where, kind, "an input that is one value", "Lists go into parameters only.")
    if spec is not None and (kind not in ("date", "datetime") or not _FORMAT.fullmatch(spec)):
        raise invalid(where, spec, "a format of %Y %m %d %H %M %S %j for a moment, else none")


def settled(node: Any, kinds: Mapping[str, str]) -> Any:
    """Return a job in which a day has its format: Flyte's literal for it is a moment."""

    def written(match: re.Match[str]) -> str:
        is_day = kinds.get(match[1]) == "date" and match[2] is None
        return f"{{inputs.{match[1]}:%Y-%m-%d}}" if is_day else match[0]

    return _mapped(node, lambda text, _: PLACEHOLDER.sub(written, text))


def fill(node: Any, inputs: Mapping[str, Any]) -> Any:
    """
    Return a job with the values of the inputs in it; ``inputs`` are those of an ``Attempt``.

    Raises:
        InvalidConfig: A value is missing, or would be more than a part of a name.
    """
    return _mapped(node, lambda text, field: fill_text(text, inputs, field))


def _mapped(node: Any, change: Callable[[str, str], str], field: str = "") -> Any:
    if isinstance(node, str):
        return change(node, field)
    if isinstance(node, dict):
        return {
            key: _mapped(item, change, field if field in DATA_FIELDS else str(key))
            for key, item in node.items()
        }
    if isinstance(node, (list, tuple)):
        return [_mapped(item, change, field) for item in node]
    return node


def fill_text(text: str, inputs: Mapping[str, Any], field: str) -> str:
    """Return ``text`` with its placeholders filled, for the field of this name."""

    def value_of(match: re.Match[str]) -> str:
        name, spec = match[1], match[2]
        if name not in inputs:
            raise invalid(field, match[0], f"an input: {', '.join(inputs) or '(there are none)'}")
        made = text_of(inputs[name], spec)
        is_part = _PART.fullmatch(made) and ".." not in made.split("/")
        is_whole = match.start() == 0 and isinstance(inputs[name], FileRef)
        if field not in DATA_FIELDS and not is_part and not is_whole:
            expected = f"a part of a name in {field!r}: letters, digits, spaces, _-./:=+~@, no '..'"
            raise invalid(f"input {name!r}", made, expected, "Pass the name itself.")
        return made

    return PLACEHOLDER.sub(value_of, text)


def text_of(value: Any, spec: str | None = None) -> str:
    """
    Return a value as a job gets it.

    Text as it is, ``true`` and ``false``, numbers in Python's spelling, moments in ISO 8601 or in
    the given format, seconds for durations, JSON for what has parts, ``""`` for nothing.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.date):  # a datetime is a date
        return value.strftime(spec) if spec else value.isoformat()
    if isinstance(value, dt.timedelta):
        return str(value.total_seconds()).removesuffix(".0")
    if isinstance(value, (list, dict)):
        return json.dumps(plain(value), ensure_ascii=False)
    return str(value)
