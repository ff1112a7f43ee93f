"""
What a call costs, from a table that the platform team can replace.

``FLYTE_AGENT_OPENAI_PRICES`` names a JSON file in the form of ``prices.json`` of this package; its models come before
those, so a contract's own prices count, and models that are not in the list get one. Prices are US dollars for a
million: ``input``, ``cached`` and ``output`` tokens, ``characters``; ``minute`` is one of sound, ``image`` one image.
A model is looked up by its exact name, then by the longest pattern that fits.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib.resources
import json
import math
import pathlib
from typing import Any

from flyte_agent_core import TaskError

from . import settings
from .usage import Usage

_MILLION = 1_000_000
_UNITS = ("input", "cached", "output", "characters", "minute", "image")


def cost_usd(model: str, usage: Usage) -> float | None:
    """
    Return what a call cost in US dollars; ``None`` when the model has no price.

    Raises:
        TaskError: The platform's table cannot be read.
    """
    price = price_of(model)
    if price is None:
        return None
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
        fitting = [pattern for pattern in table if fnmatch.fnmatchcase(model, pattern)]
        if model in table or fitting:
            return table[model if model in table else max(fitting, key=len)]
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
            raise ValueError(f"{model}: {unit}={usd!r}, expected {', '.join(_UNITS)} in US dollars")
    return {unit: float(usd) for unit, usd in price.items()}
