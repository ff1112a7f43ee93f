"""What a checked value must be."""

from __future__ import annotations

import datetime as dt
import decimal
import math
from dataclasses import dataclass

from flyte_agent_core.fields import invalid

from .checks_rules import Expectation, Family
from .config_fields import strict

Value = bool | int | float | decimal.Decimal | dt.date | str
"""What a bound may be; a datetime is a date."""


@strict()
@dataclass(frozen=True)
class Bound:
    """
    What a value must be. All given bounds must hold.

    Attributes:
        tolerance: Fraction of each bound by which it is widened: ``eq=100, tolerance=0.1`` is 90
            to 110. Numbers only.
    """

    eq: Value | None = None
    geq: Value | None = None
    gt: Value | None = None
    leq: Value | None = None
    lt: Value | None = None
    tolerance: float = 0.0

    def expectation(self, where: str) -> Expectation:
        """
        Return the bounds in the form they are sent in.

        Raises:
            InvalidConfig: There are none, they are of different kinds, or ``tolerance`` is not for
                numbers.
        """
        given = {n: v for n in _NAMES if (v := getattr(self, n)) is not None}
        if not given:
            raise invalid(where, None, f"one of {', '.join(_NAMES)}", "Say what is right: eq=0.")
        families = {_family(v) for v in given.values()}
        if len(families) != 1:
            raise invalid(where, given, "bounds of one kind: numbers, text, times or booleans")
        family = families.pop()
        if self.tolerance and (family != "number" or not 0 < self.tolerance < math.inf):
            raise invalid(
                f"{where} tolerance", self.tolerance, "a fraction such as 0.1, for numbers"
            )
        texts = {name: _text(f"{where} {name}", bound) for name, bound in given.items()}
        return Expectation(family=family, tolerance=float(self.tolerance), **texts)


_NAMES = ("eq", "geq", "gt", "leq", "lt")


def _family(bound: Value) -> Family:
    if isinstance(bound, bool):
        return "bool"
    if isinstance(bound, (int, float, decimal.Decimal)):
        return "number"
    return "time" if isinstance(bound, dt.date) else "text"


def _text(where: str, bound: Value) -> str:
    if isinstance(bound, bool):
        return str(bound).lower()
    if isinstance(bound, (int, float, decimal.Decimal)):
        if not math.isfinite(bound):
            raise invalid(where, bound, "a finite number")
        return str(bound)
    return bound.isoformat() if isinstance(bound, dt.date) else bound
