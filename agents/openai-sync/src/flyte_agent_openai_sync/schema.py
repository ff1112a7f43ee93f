"""
Strict JSON schemas from the type a task declares for its answer, and the way back.

Strict mode wants an object at the top, every field required, no further ones, and knows no open
mappings: those travel as lists of pairs.
Source: https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import inspect
import types
import typing
from typing import Any, Union

from flyte_agent_core.fields import invalid

from .config import AnswerForm

PAIRS = "A mapping, as a list of its keys and values."
"""Description that marks a list of pairs; the way back knows it by this."""

MAX_DEPTH, MAX_FIELDS, MAX_CHOICES = 10, 5000, 1000
"""OpenAI's limits: levels of nesting, fields in all, choices of all enumerations."""

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.date: {"type": "string", "format": "date"},
    dt.time: {"type": "string", "format": "time"},
}
_KNOWN = (
    "str, int, float, bool, date, datetime, a dataclass, a Pydantic model, an Enum, or a list, dict[str, …], "
    "Optional, Union or Literal of these"
)


def answer_form(hint: Any, *, optional: bool = False) -> AnswerForm:
    """
    Return the form of an answer of type ``hint``.

    Raises:
        InvalidConfig: Strict mode has no schema for it; the message names the part.
    """
    if hint is str:
        return AnswerForm(optional=optional)
    maker = _Maker()
    made = maker.of(hint, "output")
    wrapped = made.get("type") != "object" and "$ref" not in made
    if "$ref" in made and not maker.is_recursive:
        made = maker.definitions.pop(made["$ref"].rpartition("/")[2])
    if wrapped or "$ref" in made:
        wrapped, made = True, _object({"value": made})
    if maker.definitions:
        made["$defs"] = maker.definitions
    maker.check()
    return AnswerForm(made, _name_of(hint), wrapped, optional)


class _Maker:
    """Makes one schema; classes that appear twice are defined once."""

    def __init__(self) -> None:
        self.definitions: dict[str, dict[str, Any]] = {}
        self.is_recursive = False
        self._open: list[Any] = []
        self._names: dict[Any, str] = {}
        self._fields = self._choices = 0

    def check(self) -> None:
        for what, found, limit in (
            ("fields", self._fields, MAX_FIELDS),
            ("choices", self._choices, MAX_CHOICES),
        ):
            if found > limit:
                raise invalid("output", f"{found} {what}", f"at most {limit}", "Split the task.")

    def of(self, hint: Any, where: str) -> dict[str, Any]:
        if typing.get_origin(hint) is typing.Annotated:
            inner, *notes = typing.get_args(hint)
            said = next((note for note in notes if isinstance(note, str)), "")
            return {**self.of(inner, where), **({"description": said} if said else {})}
        if hint in _SIMPLE:
            return dict(_SIMPLE[hint])
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin in (list, dict) or (args and origin in _COMPOSED):
            made: dict[str, Any] = _COMPOSED[origin](self, args, where)
            return made
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return self.choice([member.value for member in hint], where)
        if isinstance(hint, type) and (fields := record_fields(hint, where)) is not None:
            return self.record(hint, fields, where)
        raise invalid(where, hint, _KNOWN, "Change the type.")

    def choice(self, values: Any, where: str) -> dict[str, Any]:
        kinds = {type(value) for value in values}
        if kinds not in ({str}, {int}):
            raise invalid(where, list(values), "choices that are all text or all whole numbers")
        self._choices += len(values)
        return {"type": "string" if kinds == {str} else "integer", "enum": list(values)}

    def items(self, args: Any, where: str) -> dict[str, Any]:
        if not args:
            raise invalid(where, "list", "list[T]", "Say of what it is a list.")
        return {"type": "array", "items": self.of(args[0], f"{where}[]")}

    def pairs(self, args: Any, where: str) -> dict[str, Any]:
        if not args or args[0] is not str:
            raise invalid(where, "dict", "dict[str, T]", "Say what it holds, or use a dataclass.")
        pair = _object({"key": {"type": "string"}, "value": self.of(args[1], f"{where}{{}}")})
        return {"type": "array", "description": PAIRS, "items": pair}

    def union(self, args: Any, where: str) -> dict[str, Any]:
        made = [self.of(arg, where) for arg in args]
        plain = [each["type"] for each in made if set(each) == {"type"}]
        return {"type": plain} if len(plain) == len(made) else {"anyOf": made}

    def record(self, cls: type, fields: dict[str, tuple[Any, str]], where: str) -> dict[str, Any]:
        name = self._names.setdefault(cls, _unique(cls.__name__, self._names.values()))
        reference = {"$ref": f"#/$defs/{name}"}
        if cls in self._open:
            self.is_recursive = True
            return reference
        if name in self.definitions:
            return reference
        if len(self._open) >= MAX_DEPTH:
            raise invalid(where, cls.__name__, f"at most {MAX_DEPTH} levels of nesting")
        self._open.append(cls)
        made = {}
        for field, (hint, said) in fields.items():
            self._fields += 1
            schema = self.of(hint, f"{where}.{field}")
            made[field] = (
                schema if not said or "$ref" in schema else {**schema, "description": said}
            )
        self._open.pop()
        self.definitions[name] = _object(made, _doc(cls))
        return reference


_COMPOSED: dict[Any, Any] = {
    list: _Maker.items,
    dict: _Maker.pairs,
    Union: _Maker.union,
    types.UnionType: _Maker.union,
    typing.Literal: _Maker.choice,
}


def record_fields(cls: type, where: str) -> dict[str, tuple[Any, str]] | None:
    """
    Return type and description of each field of a dataclass or Pydantic model; ``None`` for another class.

    Raises:
        InvalidConfig: A type hint cannot be read, or there are no fields.
    """
    if any(base.__module__.startswith("flytekit.") for base in cls.__mro__):
        return None  # files and tables are no answers
    try:
        if dataclasses.is_dataclass(cls):
            hints = typing.get_type_hints(cls, include_extras=True)
            found = {
                f.name: (hints[f.name], str(f.metadata.get("description", "")))
                for f in dataclasses.fields(cls)
            }
        elif hasattr(cls, "model_fields"):
            hints = typing.get_type_hints(cls, include_extras=True)
            found = {
                name: (hints[name], getattr(field, "description", None) or "")
                for name, field in cls.model_fields.items()
            }
        else:
            return None
    except NameError as error:
        raise invalid(
            where, cls.__name__, f"type hints that can be read ({error})",
            f"Define {cls.__name__} and the types it uses at the top level of the module.",
        ) from error  # fmt: skip
    if not found:
        raise invalid(where, cls.__name__, "at least one field")
    return found


def _object(properties: dict[str, Any], description: str = "") -> dict[str, Any]:
    made: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return {**made, "description": description} if description else made


def _doc(cls: type) -> str:
    said = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    return "" if said.startswith(f"{cls.__name__}(") else said  # what dataclass writes by itself


def _unique(name: str, taken: Any) -> str:
    number = 1
    while name in taken:
        number += 1
        name = f"{name.rstrip('0123456789')}{number}"
    return name


def _name_of(hint: Any) -> str:
    name = getattr(hint, "__name__", "answer")
    return "".join(c if c.isalnum() or c in "_-" else "_" for c in name)[:64] or "answer"
