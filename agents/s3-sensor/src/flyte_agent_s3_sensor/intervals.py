"""
How often a sensor looks: at each poll of Flyte's, or less often where the task says so.

Nothing is kept for that at Flyte. The interval follows from the sensor's age: when it grows by a
factor from look to look, the interval at an age ``a`` is ``first + a * (factor - 1)``, the sum of a
geometric series. What a process remembers is when it looked last; one that does not know looks.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import TYPE_CHECKING

from flyte_agent_core.meta import digest

if TYPE_CHECKING:
    from flyte_agent_core import Resource

    from .config import SensorRequest
    from .meta import S3SensorMeta

_SENSORS = 50_000
_EARLY = 0.95
"""Polls come a little early at times; to leave one out would double the interval."""


@dataclasses.dataclass
class Last:
    """
    The last look of a sensor in this process.

    Attributes:
        looked_s: Seconds since 1970.
        looks: How many there were.
        usd: What they cost, a listing's price shared by its sensors.
        answer: What it said; ``None`` if that was an error.
    """

    looked_s: float = float("-inf")
    looks: int = 0
    usd: float = 0.0
    requests: float = 0.0
    answer: Resource | None = None


class Looks:
    """The last looks of all sensors, bounded."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Last] = OrderedDict()

    def of(self, meta: S3SensorMeta) -> Last:
        """Return the last look of a sensor, an empty one if there was none."""
        name = digest(meta)
        last = self._known.setdefault(name, Last())
        self._known.move_to_end(name)
        while len(self._known) > _SENSORS:
            self._known.popitem(last=False)
        return last


def interval_s(request: SensorRequest, age_s: float) -> float:
    """Return the least seconds between looks at an age; 0 for a look at each poll."""
    if request.poke_interval_s is None:
        own_s = 0.0
    else:
        grown_s = request.poke_interval_s + max(0.0, age_s) * (request.backoff - 1.0)
        own_s = max(request.poke_interval_s, min(grown_s, request.max_interval_s))
    return own_s if request.events is None else max(own_s, request.events.fallback_s)


def is_due(meta: S3SensorMeta, last: Last, now_s: float) -> bool:
    """Whether a sensor should look now, if nothing tells it of a change."""
    if last.answer is None or now_s >= meta.ends_s:
        return True
    wanted_s = interval_s(meta.request, last.looked_s - meta.created_s)
    return now_s - last.looked_s >= wanted_s * _EARLY
