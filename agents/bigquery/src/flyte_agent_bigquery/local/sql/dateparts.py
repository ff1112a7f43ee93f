"""Functions with a date part: EXTRACT, and the families of ADD, SUB, DIFF, TRUNC and LAST_DAY.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/date_functions
"""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from .compiling import coerce, compiles, fits, no_signature, value
from .parsing import Node
from .scope import Scope, Value
from .types import DATE, DATETIME, INT64, INTERVAL, NULL, STRING, TIME, TIMESTAMP, Type

KINDS = {"DATE": DATE, "DATETIME": DATETIME, "TIME": TIME, "TIMESTAMP": TIMESTAMP}
WEEKDAYS = ("SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY")
_TIMES = ("MICROSECOND", "MILLISECOND", "SECOND", "MINUTE", "HOUR")
_MICROS = {
    "MICROSECOND": 1, "MILLISECOND": 1000, "SECOND": 1_000_000, "MINUTE": 60_000_000,
    "HOUR": 3_600_000_000, "DAY": 86_400_000_000,
}  # fmt: skip
_ADDED = {
    "DATE": ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR"),
    "DATETIME": (*_TIMES, "DAY", "WEEK", "MONTH", "QUARTER", "YEAR"),
    "TIMESTAMP": (*_TIMES, "DAY"),
    "TIME": _TIMES,
}
# to_…() of DuckDB, and what one of the part is in it.
_STEPS = {
    "MICROSECOND": ("to_microseconds", 1), "MILLISECOND": ("to_microseconds", 1000),
    "SECOND": ("to_seconds", 1), "MINUTE": ("to_minutes", 1), "HOUR": ("to_hours", 1),
    "DAY": ("to_days", 1), "WEEK": ("to_days", 7), "MONTH": ("to_months", 1),
    "QUARTER": ("to_months", 3), "YEAR": ("to_years", 1),
}  # fmt: skip
_SMALL = ("to_days", "to_months", "to_years")  # take INTEGER


def part_of(node: Node, scope: Scope) -> tuple[str, int]:
    """A date part and, for WEEK, the weekday it starts on (0 is Sunday)."""
    if isinstance(node, exp.WeekStart | exp.Anonymous) and (
        node.name.upper() == "WEEK" or not node.name
    ):
        inner = node.this if isinstance(node, exp.WeekStart) else node.expressions[0]
        if inner.name.upper() in WEEKDAYS:
            return "WEEK", WEEKDAYS.index(inner.name.upper())
    name = node.name.upper() if isinstance(node, exp.Column | exp.Var | exp.Identifier) else ""
    if not name:
        raise scope.query.error("A valid date part name is required", node)
    return name, 0


def interval_step(number: str, part: str) -> str:
    """``number`` times a part as an INTERVAL."""
    function, factor = _STEPS[part]
    scaled = number if factor == 1 else f"{number} * {factor}"
    return f"{function}(CAST({scaled} AS {'INTEGER' if function in _SMALL else 'BIGINT'}))"


@compiles(exp.Interval)
def _interval(node: exp.Interval, scope: Scope) -> Value:
    part = node.args["unit"].name.upper() if isinstance(node.args.get("unit"), exp.Var) else ""
    if part not in _STEPS:
        message = "The local stand-in takes INTERVAL with a number and one date part"
        raise scope.query.error(message, node)
    return Value(interval_step(_interval_number(node, scope), part), INTERVAL)


def _interval_number(node: exp.Interval, scope: Scope) -> str:
    if isinstance(node.this, exp.Literal) and node.this.is_string:
        # sqlglot writes the number of INTERVAL 5 DAY as a string.
        if not node.this.this.lstrip("-").isdigit():
            raise scope.query.error(f"Invalid INTERVAL literal {node.this.this!r}", node)
        return f"CAST({node.this.this} AS BIGINT)"
    found = value(node.this, scope)
    if found.type not in (INT64, NULL):
        raise no_signature("INTERVAL", [found], scope, node)
    return coerce(found, INT64).sql


def shifted(kind: str, sign: str) -> Callable[[list[Node], Scope, Node], Value]:
    """``DATE_ADD`` and its like: a value and ``INTERVAL n PART``."""

    def call(arguments: list[Node], scope: Scope, node: Node) -> Value:
        found, interval = _dated(arguments, 0, KINDS[kind], scope, node), arguments[1]
        if not isinstance(interval, exp.Interval):
            raise scope.query.error("The second argument should be INTERVAL number PART", interval)
        unit = interval.args.get("unit")
        part = unit.name.upper() if unit is not None else ""
        if part not in _ADDED[kind]:
            raise scope.query.error(
                f"{kind} arithmetic does not support the {part} date part", node
            )
        step = interval_step(_interval_number(interval, scope), part)
        stored = {
            "DATE": "DATE",
            "DATETIME": "TIMESTAMP",
            "TIME": "TIME",
            "TIMESTAMP": "TIMESTAMPTZ",
        }
        return Value(f"CAST({found.sql} {sign} {step} AS {stored[kind]})", KINDS[kind])

    return call


def _dated(arguments: list[Node], place: int, kind: Type, scope: Scope, node: Node) -> Value:
    if len(arguments) <= place:
        raise scope.query.error(f"Function needs {place + 1} arguments", node)
    found = value(arguments[place], scope)
    if not fits(found, kind):
        raise no_signature(f"a function of {kind}", [found], scope, node)
    return coerce(found, kind)


def difference(kind: str) -> Callable[[list[Node], Scope, Node], Value]:
    """``DATE_DIFF`` and its like."""

    def call(arguments: list[Node], scope: Scope, node: Node) -> Value:
        left = _dated(arguments, 0, KINDS[kind], scope, node).sql
        right = _dated(arguments, 1, KINDS[kind], scope, node).sql
        part, first = part_of(arguments[2], scope) if len(arguments) > 2 else ("", 0)
        if kind == "TIMESTAMP":
            sql = _elapsed(left, right, part)
        else:
            sql = _boundaries(left, right, part, first, with_time=kind == "DATETIME")
        if sql is None:
            raise scope.query.error(f"{kind}_DIFF does not support the {part} date part", node)
        return Value(f"CAST({sql} AS BIGINT)", INT64)

    return call


def _elapsed(left: str, right: str, part: str) -> str | None:
    """Whole parts between two instants."""
    if part not in _MICROS:
        return None
    return f"(epoch_us({left}) - epoch_us({right})) // {_MICROS[part]}"


def _boundaries(left: str, right: str, part: str, first: int, *, with_time: bool) -> str | None:
    """How many boundaries of a part lie between."""
    if part in ("WEEK", "ISOWEEK"):
        start = 1 if part == "ISOWEEK" else first
        return f"(bq_week({left}, {start}) - bq_week({right}, {start})) // 7"
    if part == "ISOYEAR":
        return f"isoyear({left}) - isoyear({right})"
    if part in ("DAY", "MONTH", "QUARTER", "YEAR") or (with_time and part in _TIMES):
        return f"datediff('{part.lower()}', {right}, {left})"
    return None


def truncated(kind: str) -> Callable[[list[Node], Scope, Node], Value]:
    """``DATE_TRUNC`` and its like; ``TIMESTAMP_TRUNC`` may name a zone."""

    def call(arguments: list[Node], scope: Scope, node: Node) -> Value:
        found = _truncatable(arguments, kind, scope, node)
        part, first = part_of(arguments[1], scope) if len(arguments) > 1 else ("DAY", 0)
        zone = _zone(arguments, 2, scope)
        clock = f"bq_local({found.sql}, {zone})" if found.type == TIMESTAMP else found.sql
        if found.type == TIME:
            clock = f"(DATE '1970-01-01' + {clock})"
        cut = _cut(clock, part, first) if found.type != TIME or part in _TIMES else None
        if cut is None or (found.type == DATE and part in _TIMES):
            raise scope.query.error(f"{kind}_TRUNC does not support the {part} date part", node)
        if found.type == TIMESTAMP:
            return Value(f"bq_instant(CAST({cut} AS TIMESTAMP), {zone})", TIMESTAMP)
        stored = {"DATE": "DATE", "DATETIME": "TIMESTAMP", "TIME": "TIME"}[found.type.kind]
        return Value(f"CAST({cut} AS {stored})", found.type)

    return call


def _truncatable(arguments: list[Node], kind: str, scope: Scope, node: Node) -> Value:
    """DATE_TRUNC, DATETIME_TRUNC and TIMESTAMP_TRUNC take each other's types."""
    found = value(arguments[0], scope)
    if kind != "TIME" and found.type in (DATE, DATETIME, TIMESTAMP):
        return found
    return _dated(arguments, 0, KINDS[kind], scope, node)


def _zone(arguments: list[Node], place: int, scope: Scope) -> str:
    if len(arguments) <= place:
        return "'UTC'"
    found = value(arguments[place], scope)
    if found.type != STRING:
        raise no_signature("a time zone", [found], scope, arguments[place])
    return found.sql


def _cut(clock: str, part: str, first: int) -> str | None:
    if part in ("WEEK", "ISOWEEK"):
        return f"bq_week({clock}, {1 if part == 'ISOWEEK' else first})"
    if part == "ISOYEAR":
        return f"bq_iso_year({clock})"
    if part in (*_TIMES, "DAY", "MONTH", "QUARTER", "YEAR"):
        return f"date_trunc('{part.lower()}', {clock})"
    return None


def last_day(arguments: list[Node], scope: Scope, node: Node) -> Value:
    """``LAST_DAY(date, PART)``."""
    found = value(arguments[0], scope)
    if found.type != DATETIME:
        found = _dated(arguments, 0, DATE, scope, node)
    part, first = part_of(arguments[1], scope) if len(arguments) > 1 else ("MONTH", 0)
    cut = _cut(found.sql, part, first)
    steps = {"WEEK": "to_days(7)", "ISOWEEK": "to_days(7)", "MONTH": "to_months(1)",
             "QUARTER": "to_months(3)", "YEAR": "to_years(1)"}  # fmt: skip
    if cut is None or part not in steps:
        raise scope.query.error(f"LAST_DAY does not support the {part} date part", node)
    return Value(f"CAST({cut} + {steps[part]} - to_days(1) AS DATE)", DATE)


_PARTS = {
    "YEAR": "year({0})", "QUARTER": "quarter({0})", "MONTH": "month({0})", "DAY": "day({0})",
    "DAYOFYEAR": "dayofyear({0})", "DAYOFWEEK": "dayofweek({0}) + 1", "ISOWEEK": "week({0})",
    "ISOYEAR": "isoyear({0})", "HOUR": "hour({0})", "MINUTE": "minute({0})",
    "SECOND": "second({0})", "MILLISECOND": "millisecond({0}) % 1000",
    "MICROSECOND": "microsecond({0}) % 1000000",
}  # fmt: skip
_CLOCK = ("HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND")


@compiles(exp.Extract)
def _extract(node: exp.Extract, scope: Scope) -> Value:
    part, first = part_of(node.this, scope)
    inner, zone = node.expression, "'UTC'"
    if isinstance(inner, exp.AtTimeZone):
        inner, zone = inner.this, _zone([inner.args["zone"]], 0, scope)
    found = value(inner, scope)
    if found.type.kind not in KINDS or (zone != "'UTC'" and found.type != TIMESTAMP):
        raise no_signature("EXTRACT", [found], scope, node)
    clock = f"bq_local({found.sql}, {zone})" if found.type == TIMESTAMP else found.sql
    whole = {"DATE": ("DATE", DATE), "TIME": ("TIME", TIME), "DATETIME": ("TIMESTAMP", DATETIME)}
    if part in whole and found.type in (DATETIME, TIMESTAMP):
        stored, kind = whole[part]
        return Value(f"CAST({clock} AS {stored})", kind)
    template = f"bq_week_number({{0}}, {first})" if part == "WEEK" else _PARTS.get(part)
    allowed = part in _CLOCK if found.type == TIME else found.type != DATE or part not in _CLOCK
    if template is None or not allowed:
        raise scope.query.error(
            f"EXTRACT from {found.type} does not support the {part} date part", node
        )
    return Value(f"CAST({template.format(clock)} AS BIGINT)", INT64)
