"""``FORMAT_DATE``, ``PARSE_DATE`` and their like: only with a constant format of elements that mean the same here.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/format-elements
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from flyte_agent_bigquery.local.errors import BigQueryError, refusal

from .compiling import coerce, fits, no_signature, value
from .dateparts import KINDS
from .parsing import Node
from .scope import Scope, Value
from .types import STRING, TIMESTAMP, text

_DATE = {
    "%Y": "%Y", "%y": "%y", "%m": "%m", "%d": "%d", "%j": "%j", "%b": "%b", "%h": "%b", "%B": "%B",
    "%a": "%a", "%A": "%A", "%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%x": "%m/%d/%y", "%u": "%u",
    "%w": "%w", "%G": "%G", "%V": "%V", "%U": "%U", "%W": "%W", "%E4Y": "%Y", "%%": "%%",
}  # fmt: skip
_TIME = {
    "%H": "%H", "%I": "%I", "%M": "%M", "%S": "%S", "%p": "%p", "%T": "%H:%M:%S", "%R": "%H:%M",
    "%X": "%H:%M:%S", "%E6S": "%S.%f", "%E3S": "%S.%g", "%%": "%%",
}  # fmt: skip
_KNOWN = {
    "DATE": _DATE,
    "TIME": _TIME,
    "DATETIME": {**_DATE, **_TIME},
    "TIMESTAMP": {**_DATE, **_TIME},
}
_ELEMENT = re.compile(r"%(?:E\d[SY]|E\*S|E[A-Za-z]|O[A-Za-z]|.)", re.DOTALL)
# Elements that DuckDB's strptime reads as BigQuery does, when every number has its full width.
_PARSED = {"%Y", "%m", "%d", "%H", "%M", "%S", "%b", "%B", "%y", "%F", "%T", "%R", "%I", "%p", "%%"}
_WIDTHS = {
    "%Y": r"\d{4}", "%m": r"\d{2}", "%d": r"\d{2}", "%H": r"\d{2}", "%M": r"\d{2}", "%S": r"\d{2}",
    "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]+", "%y": r"\d{2}", "%I": r"\d{2}", "%p": "(?i:AM|PM)",
    "%F": r"\d{4}-\d{2}-\d{2}", "%T": r"\d{2}:\d{2}:\d{2}", "%R": r"\d{2}:\d{2}", "%%": "%",
}  # fmt: skip

Call = Callable[[list[Node], Scope, Node], Value]


def _constant_format(node: Node, scope: Scope) -> str:
    found = value(node, scope)
    if found.type != STRING:
        raise no_signature("a format", [found], scope, node)
    if found.literal is None:
        raise refusal(
            "a format that is not a constant", "write the format in the query", scope.query.at(node)
        )
    return found.literal


def _unknown(element: str, scope: Scope, node: Node) -> BigQueryError:
    return refusal(f"the format element {element}", "use other elements", scope.query.at(node))


def formatted(kind: str) -> Call:
    """``FORMAT_DATE(format, value)``; of a TIMESTAMP in a zone, too."""

    def call(arguments: list[Node], scope: Scope, node: Node) -> Value:
        written = _constant_format(arguments[0], scope)
        found = value(arguments[1], scope)
        if not fits(found, KINDS[kind]):
            raise no_signature(f"FORMAT_{kind}", [found], scope, node)
        clock = coerce(found, KINDS[kind]).sql
        if kind == "TIMESTAMP":
            zone = value(arguments[2], scope).sql if len(arguments) > 2 else "'UTC'"
            clock = f"bq_local({clock}, {zone})"
        elif kind == "TIME":
            clock = f"(DATE '1970-01-01' + {clock})"
        known = _KNOWN[kind]
        translated = _replace(
            written, known, lambda element: _unknown(element, scope, arguments[0])
        )
        return Value(f"strftime({clock}, {text(translated)})", STRING)

    return call


def _replace(written: str, known: dict[str, str], unknown: Callable[[str], BigQueryError]) -> str:
    def one(match: re.Match[str]) -> str:
        if match[0] not in known:
            raise unknown(match[0])
        return known[match[0]]

    replaced = _ELEMENT.sub(one, written)
    if replaced.endswith("%") and not replaced.endswith("%%"):
        raise unknown("%")
    return replaced


def parsed(kind: str) -> Call:
    """``PARSE_DATE(format, text)``; the text must have every number in its full width."""

    def call(arguments: list[Node], scope: Scope, node: Node) -> Value:
        written = _constant_format(arguments[0], scope)
        found = value(arguments[1], scope)
        if found.type != STRING:
            raise no_signature(f"PARSE_{kind}", [found], scope, node)
        elements = set(_ELEMENT.findall(written))
        for element in sorted(elements):
            if element not in _PARSED or element not in _KNOWN[kind]:
                raise _unknown(element, scope, arguments[0])
        unknown = partial(_unknown, scope=scope, node=arguments[0])
        pattern, translated = _pattern(written), _replace(written, _KNOWN[kind], unknown)
        stored = {"DATE": "DATE", "TIME": "TIME"}.get(kind, "TIMESTAMP")
        sql = f"CAST(bq_parse_as({found.sql}, {text(pattern)}, {text(translated)}, {text(kind)}) AS {stored})"
        if kind == "TIMESTAMP":
            zone = value(arguments[2], scope).sql if len(arguments) > 2 else "'UTC'"
            return Value(f"bq_instant({sql}, {zone})", TIMESTAMP)
        return Value(sql, KINDS[kind])

    return call


def _pattern(written: str) -> str:
    """A regular expression of the texts that both systems read alike."""
    pieces, last = [], 0
    for match in _ELEMENT.finditer(written):
        pieces += [re.escape(written[last : match.start()]), _WIDTHS[match[0]]]
        last = match.end()
    return "".join([*pieces, re.escape(written[last:])])
