"""Whether a task runs once those before it have ended, and what a condition task finds."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence

from .errors import invalid
from .states import EXCLUDED, UPSTREAM_CANCELED, UPSTREAM_FAILED, Words

_GOOD = frozenset({"SUCCESS", "SUCCESS_WITH_FAILURES"})
_CANCELED = frozenset({"CANCELED", "UPSTREAM_CANCELED"})
_NOT_RUN = frozenset({"DISABLED", "EXCLUDED"})
_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
}


def verdict(run_if: str, results: Sequence[str]) -> Words | None:
    """
    Return how a task ends without having run; ``None`` if it is to run.

    Args:
        run_if: Its condition.
        results: The ``result_state`` of each task it depends on; ``EXCLUDED`` also for one whose outcome is another.
    """
    ran = [result for result in results if result not in _NOT_RUN]
    good = [result for result in ran if result in _GOOD]
    bad = [result for result in ran if result not in _GOOD]
    if not results:
        return None
    if run_if == "ALL_SUCCESS":
        return None if len(good) == len(results) else _why(bad)
    if run_if == "NONE_FAILED":
        return None if not bad and ran else _why(bad)
    runs = {
        "ALL_DONE": True,
        "AT_LEAST_ONE_SUCCESS": bool(good),
        "ALL_FAILED": bool(bad) and len(bad) == len(results),
        "AT_LEAST_ONE_FAILED": bool(bad),
    }[run_if]
    if runs:
        return None
    return _why(bad) if run_if == "AT_LEAST_ONE_SUCCESS" else EXCLUDED


def _why(bad: Sequence[str]) -> Words:
    if not bad:
        return EXCLUDED
    return UPSTREAM_CANCELED if all(result in _CANCELED for result in bad) else UPSTREAM_FAILED


def compare(op: str, left: str, right: str) -> bool:
    """
    Return what a condition task finds: texts are equal or not, numbers are compared.

    Raises:
        ApiError: The operator is unknown, or an operand is no number.
    """
    if op in ("EQUAL_TO", "NOT_EQUAL"):
        return (left == right) is (op == "EQUAL_TO")
    if op not in _NUMBERS:
        raise invalid(f"condition_task.op: found {op!r}, which is no operator.")
    try:
        return _NUMBERS[op](float(left), float(right))
    except ValueError:
        raise invalid(
            f"condition_task: {op} compares numbers, found {left!r} and {right!r}."
        ) from None
