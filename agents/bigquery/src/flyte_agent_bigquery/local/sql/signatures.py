"""Signatures of functions: which arguments they take, what they return, what they are in DuckDB.

A table is text, one overload a line::

    SUBSTR(STRING, INT64) -> STRING = bq_substr({0}, {1})

``T`` is any type, the same wherever it stands; ``T...`` takes the rest of the arguments. The same argument may be used
often, so templates with a long body are macros of ``prelude.sql``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .compiling import coerce, cost, unify
from .scope import Value
from .types import INT64, NULL, Type, array

_HOLE = re.compile(r"\{(\*|\d)\}")
_LINE = re.compile(r"^(?P<name>[A-Z0-9_.]+)\((?P<args>.*?)\) -> (?P<returns>\S+) = (?P<sql>.+)$")


@dataclass(frozen=True)
class Signature:
    """One overload."""

    name: str
    arguments: tuple[str, ...]
    rest: str
    returns: str
    template: str

    def __str__(self) -> str:
        rest = [f"{self.rest}, ..."] if self.rest else []
        return f"{self.name}({', '.join([*self.arguments, *rest])})"

    def match(self, found: list[Value]) -> Match | None:
        """What the arguments would be converted to; ``None`` if they do not fit."""
        wanted = list(self.arguments)
        if self.rest and len(found) >= len(wanted):
            wanted += [self.rest] * (len(found) - len(wanted))
        if len(wanted) != len(found):
            return None
        generic = _generic(wanted, found)
        if generic is None:
            return None
        kinds = [_kind(name, generic) for name in wanted]
        steps = [cost(item, kind) for item, kind in zip(found, kinds, strict=True)]
        if any(step is None for step in steps):
            return None
        return Match(sum(step or 0 for step in steps), self, kinds, generic)

    def call(self, found: list[Value], kinds: list[Type], generic: Type) -> Value:
        """The call in SQL."""
        arguments = [coerce(item, kind) for item, kind in zip(found, kinds, strict=True)]
        parts = [item.sql for item in arguments]
        every = ", ".join(parts)
        sql = _HOLE.sub(lambda m: every if m[1] == "*" else parts[int(m[1])], self.template)
        constant = all(item.constant for item in arguments)
        return Value(sql, _kind(self.returns, generic), constant=constant)


@dataclass(frozen=True)
class Match:
    """An overload that fits; ``distance`` is how much its arguments convert."""

    distance: int
    signature: Signature
    kinds: list[Type]
    generic: Type


def _generic(wanted: list[str], found: list[Value]) -> Type | None:
    """What ``T`` is for these arguments."""
    kinds = []
    for name, item in zip(wanted, found, strict=True):
        if name == "T":
            kinds.append(item)
        elif name == "ARRAY<T>" and item.type.element is not None:
            kinds.append(Value("", item.type.element))
    unified = unify(kinds) if kinds else ([], NULL)
    kind = unified and unified[1]
    return INT64 if kind == NULL else kind


def _kind(name: str, generic: Type) -> Type:
    if name == "T":
        return generic
    if name.startswith("ARRAY<"):
        return array(_kind(name[6:-1], generic))
    return Type(name)


def table(text: str) -> dict[str, list[Signature]]:
    """Read a table; blank lines and lines with ``#`` are comments."""
    found: dict[str, list[Signature]] = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.match(line.strip())
        if match is None:
            raise ValueError(f"not a signature: {line!r}")
        names = [name.strip() for name in match["args"].split(",") if name.strip()]
        rest = names.pop()[:-3] if names and names[-1].endswith("...") else ""
        found.setdefault(match["name"], []).append(
            Signature(match["name"], tuple(names), rest, match["returns"], match["sql"])
        )
    return found


def best(overloads: list[Signature], found: list[Value]) -> Value | None:
    """The call of the nearest overload."""
    matches = [match for overload in overloads if (match := overload.match(found)) is not None]
    if not matches:
        return None
    nearest = min(matches, key=lambda match: match.distance)
    return nearest.signature.call(found, nearest.kinds, nearest.generic)
