"""
What a call costs, from a table that the platform team can replace.

``FLYTE_AGENT_OPENAI_PRICES`` names a JSON file in the form of ``prices.json`` of this package; its models come before
those, so a contract's own prices count, and models that are not in the list get one. A model that is in neither has no
price: the next generation's is not that of a name that begins like it.

Prices are US dollars for a million: ``input``, ``cached`` and ``output`` tokens, ``characters``; ``minute`` is one of
sound, ``image`` one image. ``long_input``, ``long_cached`` and ``long_output`` count for prompts of ``long_from``
tokens and more; ``priority`` says how many times as much that service tier costs, and ``flex`` is half the price unless
the table says otherwise. Writing to the cache, which the newest models charge a quarter more for, counts as input:
answers do not tell it apart. A model is looked up by its name, then without the date of a snapshot, then by the longest
pattern that fits.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.resources
import json
import math
import pathlib
import re
from typing import Any

from flyte_agent_core import TaskError

from . import settings
from .usage import Usage

_MILLION = 1_000_000
_LONG = ("input", "cached", "output")
_TIERS = {"flex": 0.5}
"""Source: https://developers.openai.com/api/docs/guides/flex-processing."""

_USUAL = ("", "auto", "default", "standard")
_UNITS = (
    "input", "cached", "output", "characters", "minute", "image", "flex", "priority", "long_from",
    *(f"long_{unit}" for unit in _LONG),
)  # fmt: skip
_SNAPSHOT = re.compile(r"-20\d\d-\d\d-\d\d$")


def cost_usd(model: str, usage: Usage, tier: str = "") -> float | None:
    """
    Return what a call cost in US dollars; ``None`` when the model, or the tier, has no price.

    Args:
        model: As it was asked for.
        usage: What the call used.
        tier: The service tier that answered.

    Raises:
        TaskError: The platform's table cannot be read.
    """
    price = price_of(model)
    times = 1.0 if tier in _USUAL else (price or {}).get(tier, _TIERS.get(tier))
    if price is None or times is None:
        return None
    return times * _standard_usd(_for_length(price, usage.input_tokens), usage)


def _for_length(price: dict[str, float], input_tokens: int) -> dict[str, float]:
    """Return the prices that count for a prompt of this length."""
    if input_tokens < price.get("long_from", math.inf):
        return price
    longer = {unit: price[f"long_{unit}"] for unit in _LONG if f"long_{unit}" in price}
    return {**price, **longer}


def _standard_usd(price: dict[str, float], usage: Usage) -> float:
    cached = usage.cached_tokens
    per_million = (
        (usage.input_tokens - cached) * price.get("input", 0.0)
        + cached * price.get("cached", price.get("input", 0.0))
        + usage.output_tokens * price.get("output", 0.0)
        + usage.characters * price.get("characters", 0.0)
    )
    whole = usage.seconds / 60 * price.get("minute", 0.0) + usage.images * price.get("image", 0.0)
    return per_million / _MILLION + whole


def price_of(model: str) -> dict[str, float] | None:
    """
    Return the prices of a model.

    Raises:
        TaskError: The platform's table cannot be read.
    """
    for table in (_platforms(settings.text("PRICES")), _ours()):
        for name in (model, _SNAPSHOT.sub("", model)):
            if name in table:
                return table[name]
        if fitting := [pattern for pattern in table if fnmatch.fnmatchcase(model, pattern)]:
            return table[max(fitting, key=len)]
    return None


@functools.cache
def _ours() -> dict[str, dict[str, float]]:
    text = importlib.resources.files(__package__).joinpath("prices.json").read_text("utf-8")
    models: dict[str, dict[str, float]] = json.loads(text)["models"]
    return models


def _platforms(path: str) -> dict[str, dict[str, float]]:
    if not path:
        return {}
    try:
        changed_s = pathlib.Path(path).stat().st_mtime
        return _read(path, changed_s)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TaskError(
            f"{settings.PREFIX}PRICES of the agent service: found {path!r}, which cannot be used ({error}), expected a "
            'JSON file such as {"models": {"gpt-4.1*": {"input": 2.0, "output": 8.0}}}',
            code="OPENAI.BAD_SETTING",
        ) from error


@functools.lru_cache(maxsize=4)
def _read(path: str, _changed_s: float) -> dict[str, dict[str, float]]:
    models = json.loads(pathlib.Path(path).read_text("utf-8"))["models"]
    return {model: _checked(model, price) for model, price in models.items()}


def _checked(model: str, price: dict[str, Any]) -> dict[str, float]:
    for unit, usd in price.items():
        if unit not in _UNITS or isinstance(usd, bool) or not math.isfinite(float(usd)) or usd < 0:
            raise ValueError(f"{model}: {unit}={usd!r}, expected {', '.join(_UNITS)}, as numbers")
    return {unit: float(usd) for unit, usd in price.items()}
