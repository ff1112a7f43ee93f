"""What a check expects, and what it found: shared by the task that asks and the agent that judges."""

from __future__ import annotations

import datetime as dt
import decimal
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flyte_agent_core import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Kind = Literal["value", "row_count", "column", "table", "interval"]
Family = Literal["number", "text", "time", "bool"]

_SIGNS: Mapping[str, str] = {"eq": "=", "geq": ">=", "gt": ">", "leq": "<=", "lt": "<"}
_PRECISE = decimal.Context(prec=120)


@dataclass
class Expectation(Config):
    """
    Bounds for one value; a check passes when all of them hold.

    Attributes:
        family: How bounds and value are read before they are compared.
        eq: Equal to, as text; ``geq``, ``gt``, ``leq`` and ``lt`` likewise.
        tolerance: Widens every bound by this fraction of it: 0.1 makes ``eq=100`` 90 to 110.
    """

    family: Family = "number"
    eq: str | None = None
    geq: str | None = None
    gt: str | None = None
    leq: str | None = None
    lt: str | None = None
    tolerance: float = 0.0

    def bounds(self) -> dict[str, str]:
        """Return the bounds that are set, by name."""
        return {name: bound for name in _SIGNS if (bound := getattr(self, name)) is not None}

    def text(self) -> str:
        """Return the bounds in words, e.g. ``>= 1 and < 5``."""
        words = " and ".join(f"{_SIGNS[name]} {bound}" for name, bound in self.bounds().items())
        return f"{words} (+/- {self.tolerance * 100:g} %)" if self.tolerance else words


@dataclass
class CheckRule(Config):
    """
    How the row of one check is judged.

    Attributes:
        formula: How an interval check compares the value with the one of the earlier day:
            ``max_over_min`` or ``relative_diff``; the outcome is what ``expect`` bounds.
        ignore_zero: Whether an interval check passes when one of the values is 0.
    """

    name: str
    kind: Kind
    expect: Expectation = field(default_factory=Expectation)
    formula: Literal["", "max_over_min", "relative_diff"] = ""
    ignore_zero: bool = False


@dataclass
class CheckResult:
    """The outcome of one check; ``observed`` and ``expected`` are text as SQL prints it."""

    name: str
    kind: str
    passed: bool
    observed: str
    expected: str
    message: str


@dataclass
class CheckReport:
    """The outcome of all checks of a task, in the order they were declared."""

    passed: bool
    checks: list[CheckResult]

    @property
    def failed(self) -> list[CheckResult]:
        """The checks that did not pass."""
        return [check for check in self.checks if not check.passed]

    def summary(self) -> str:
        """Return one line with the counts, then one for every failed check."""
        failed = self.failed
        if not failed:
            return f"All {len(self.checks)} checks passed."
        lines = [f"- {c.name}: {c.message}" for c in failed]
        return "\n".join([f"{len(failed)} of {len(self.checks)} checks failed:", *lines])


def evaluate(rules: Sequence[CheckRule], rows: Sequence[Mapping[str, Any]]) -> CheckReport:
    """
    Return the report for what the compiled query of :func:`compile_checks` returned.

    Args:
        rules: In the order they were compiled.
        rows: Columns ``check_index``, ``observed`` and ``reference``; the values may be text, as
            REST sends them. A check without a row has failed.
    """
    by_index = {int(row["check_index"]): row for row in rows}
    results = [_judge(rule, by_index.get(index)) for index, rule in enumerate(rules)]
    return CheckReport(passed=all(r.passed for r in results), checks=results)


def _judge(rule: CheckRule, row: Mapping[str, Any] | None) -> CheckResult:
    if row is None:
        return _result(rule, "", problem="the query returned no row for this check")
    value, reference = row.get("observed"), row.get("reference")
    if rule.formula:
        return _judge_interval(rule, value, reference)
    if value is None:
        return _result(rule, "NULL", problem=_NOTHING)
    return _result(rule, str(value), problem=_violation(str(value), rule.expect))


_NOTHING = "found NULL, so there were no rows, or no values in them"


def _judge_interval(rule: CheckRule, value: Any, reference: Any) -> CheckResult:
    shown = f"{value} now, {reference} before"
    if value is None or reference is None:
        return _result(rule, shown, problem=_NOTHING)
    try:
        now, before = decimal.Decimal(str(value)), decimal.Decimal(str(reference))
    except decimal.InvalidOperation:
        return _result(rule, shown, problem=f"found {shown}, expected numbers")
    if now == 0 or before == 0:
        problem = "" if rule.ignore_zero or now == before else f"found {shown}; one of them is 0"
        return _result(rule, shown, problem=problem)
    ratio = _FORMULAS[rule.formula](now, before)
    shown = f"{shown}, {rule.formula} {ratio:.4g}"
    violation = _violation(str(ratio), rule.expect)
    return _result(
        rule, shown, problem=violation and f"found {shown}, expected {rule.expect.text()}"
    )


def _max_over_min(now: decimal.Decimal, before: decimal.Decimal) -> decimal.Decimal:
    low, high = sorted((abs(now), abs(before)))
    return _PRECISE.divide(high, low)


def _relative_diff(now: decimal.Decimal, before: decimal.Decimal) -> decimal.Decimal:
    return _PRECISE.divide(abs(_PRECISE.subtract(now, before)), abs(before))


_FORMULAS: Mapping[str, Callable[[decimal.Decimal, decimal.Decimal], decimal.Decimal]] = {
    "max_over_min": _max_over_min,
    "relative_diff": _relative_diff,
}


def _result(rule: CheckRule, observed: str, problem: str) -> CheckResult:
    message = problem or f"found {observed}, as expected"
    return CheckResult(rule.name, rule.kind, not problem, observed, rule.expect.text(), message)


def _violation(observed: str, expect: Expectation) -> str:
    """Return what is wrong with ``observed``, or nothing."""
    try:
        value = read(observed, expect.family)
    except (ValueError, decimal.InvalidOperation):
        return f"found {observed!r}, expected a {expect.family} ({expect.text()})"
    holds = all(
        _holds(name, value, read(bound, expect.family), expect.tolerance)
        for name, bound in expect.bounds().items()
    )
    return "" if holds else f"found {observed}, expected {expect.text()}"


def _holds(name: str, value: Any, bound: Any, tolerance: float) -> bool:
    if isinstance(value, decimal.Decimal) and value.is_nan():
        return False
    if not tolerance:
        return bool(_COMPARE[name](value, bound))
    slack = _PRECISE.multiply(abs(bound), decimal.Decimal(repr(tolerance)))
    low, high = _PRECISE.subtract(bound, slack), _PRECISE.add(bound, slack)
    if name == "eq":
        return bool(low <= value <= high)
    return bool(_COMPARE[name](value, low if name in ("geq", "gt") else high))


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "eq": lambda value, bound: value == bound,
    "geq": lambda value, bound: value >= bound,
    "gt": lambda value, bound: value > bound,
    "leq": lambda value, bound: value <= bound,
    "lt": lambda value, bound: value < bound,
}


def read(text: str, family: Family) -> Any:
    """
    Return a value printed by BigQuery in a form that compares.

    Raises:
        ValueError: It is not of the family; ``decimal.InvalidOperation`` for a number.
    """
    if family == "number":
        return decimal.Decimal(text)
    if family == "time":
        return _moment(text)
    if family == "bool":
        return {"true": True, "false": False}[text.lower()] if text.lower() in _BOOLS else text
    return text


_BOOLS = ("true", "false")
_FRACTION = re.compile(r"\.(\d{1,6})\d*")
_SHORT_ZONE = re.compile(r"([+-]\d{2})$")


def _moment(text: str) -> dt.datetime:
    """BigQuery prints ``2024-01-01``, ``2024-01-01 10:00:00.5`` and ``2024-01-01 10:00:00+00``."""
    whole = _FRACTION.sub(lambda m: "." + m[1].ljust(6, "0"), text.strip())
    if len(whole) > 10:
        whole = _SHORT_ZONE.sub(r"\1:00", whole)
    moment = dt.datetime.fromisoformat(whole)
    return moment.replace(tzinfo=dt.timezone.utc) if moment.tzinfo is None else moment
