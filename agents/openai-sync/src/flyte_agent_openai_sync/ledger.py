"""
What executions have used, and the ceilings of tasks and executions.

Kept in memory, for each replica by itself: with several replicas a ceiling of an execution holds for what each of them
has answered.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from flyte_agent_core import TaskError

from . import prices, settings
from .usage import Usage

if TYPE_CHECKING:
    from .config import OpenAIConfig
    from .receipt import Tally

_KEPT = 10_000


class OverBudget(TaskError):
    """The call would go over a ceiling."""

    default_code = "OPENAI.OVER_BUDGET"


class Ledger:
    """Tokens and dollars by execution; the last ones are kept."""

    def __init__(self) -> None:
        self._used: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def add(self, execution: str, tokens: int, usd: float) -> None:
        """Note what a call used."""
        if not execution:
            return
        before = self._used.get(execution, (0, 0.0))
        self._used[execution] = (before[0] + tokens, before[1] + usd)
        self._used.move_to_end(execution)
        while len(self._used) > _KEPT:
            self._used.popitem(last=False)

    def used(self, execution: str) -> tuple[int, float]:
        """Return tokens and dollars that an execution has used, earlier attempts included."""
        return self._used.get(execution, (0, 0.0))


def check(
    config: OpenAIConfig, tally: Tally, used: tuple[int, float], model: str, expected: Usage
) -> None:
    """
    Go on if a call that uses about ``expected`` stays below every ceiling.

    Raises:
        OverBudget: It would not.
        TaskError: A ceiling in dollars is set and the model has no price.
    """
    spent_usd = tally.cost_usd or 0.0
    tokens = expected.total_tokens
    _below("max_tokens", tally.usage.total_tokens, tokens, config.max_tokens)
    _below("max_tokens_per_execution", used[0], tokens, config.max_tokens_per_execution)
    _below(
        f"{settings.PREFIX}MAX_TOKENS_PER_EXECUTION",
        used[0],
        tokens,
        settings.number("MAX_TOKENS_PER_EXECUTION"),
    )
    dollars = {
        "max_usd": (spent_usd, config.max_usd),
        "max_usd_per_execution": (used[1], config.max_usd_per_execution),
        f"{settings.PREFIX}MAX_USD_PER_EXECUTION": (
            used[1],
            settings.number("MAX_USD_PER_EXECUTION"),
        ),
    }
    for field, (before, ceiling) in dollars.items():
        if ceiling:
            _below(
                field, before, _priced(field, model, expected, config.service_tier or ""), ceiling
            )


def _priced(field: str, model: str, expected: Usage, tier: str) -> float:
    usd = prices.cost_usd(model, expected, tier)
    if usd is None:
        at = f" at service_tier {tier!r}" if tier else ""
        raise TaskError(
            f"{field}: found a ceiling in dollars and no price of model {model!r}{at}, expected one: the platform team "
            f"adds it to the table in {settings.PREFIX}PRICES; or set the ceiling in tokens.",
            code="OPENAI.NO_PRICE",
        )
    return usd


def _below(field: str, before: float, more: float, ceiling: float | None) -> None:
    if ceiling and before + more > ceiling:
        raise OverBudget(
            f"{field}: found {before:,.6g} used and about {more:,.6g} more for this call, expected at most "
            f"{ceiling:,.6g}. Nothing was asked. Raise the ceiling, shorten the prompt, or lower max_output_tokens."
        )
