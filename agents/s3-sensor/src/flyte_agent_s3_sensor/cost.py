"""
What looking costs, by the public price list.

S3 bills LIST like PUT and HEAD like GET, the first 12.5 times as high as the second. Prices of
S3 Standard in us-east-2, read in 2026-11: https://aws.amazon.com/s3/pricing/ (requests). Other
regions and stores differ, so these are figures to choose by, not a bill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .config import SensorRequest

USD_PER_LIST = 0.005 / 1000
USD_PER_HEAD = 0.0004 / 1000
USD_PER_SQS = 0.4 / 1_000_000
HEADS_PER_LIST = USD_PER_LIST / USD_PER_HEAD
MONTH_S = 30 * 86_400.0
POLL_S = 30.0
"""How often Flyte asks unless the platform says otherwise."""


def usd(heads: int, lists: int) -> float:
    """Return what so many requests cost."""
    return heads * USD_PER_HEAD + lists * USD_PER_LIST


def is_cheaper_to_list(keys: int, pages: int) -> bool:
    """Whether so many pages of a listing cost less than a HEAD for each key."""
    return pages * HEADS_PER_LIST < keys


def pages_worth(keys: int) -> int:
    """Return how many pages of a listing cost less than a HEAD for each of so many keys."""
    return max(0, -int(-keys // HEADS_PER_LIST) - 1)


def looks_per_month(request: SensorRequest, poll_s: float = POLL_S) -> float:
    """Return how often a sensor looks in a month of waiting."""
    every_s = max(poll_s, request.poke_interval_s or 0.0)
    if request.backoff > 1.0:  # a month is long: the interval has grown to its end
        every_s = max(every_s, request.max_interval_s)
    if request.events is not None:
        every_s = max(every_s, request.events.fallback_s)
    return MONTH_S / every_s


def usd_per_month(request: SensorRequest, *, pages: int = 1, poll_s: float = POLL_S) -> float:
    """
    Return what a month of waiting costs if the sensor shares its looks with no other.

    Args:
        request: What is waited for.
        pages: Pages that a listing of the prefix has: one for each thousand keys.
        poll_s: How often Flyte asks.
    """
    looks = looks_per_month(request, poll_s)
    if not request.is_literal:
        each = usd(0, pages)
    elif pages_worth(len(request.keys)):
        each = min(usd(len(request.keys), 0), usd(0, pages))
    else:
        each = usd(len(request.keys), 0)
    asked = MONTH_S / poll_s * USD_PER_SQS if request.events is not None else 0.0
    return looks * each + asked
