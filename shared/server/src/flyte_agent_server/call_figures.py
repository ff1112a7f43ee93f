"""
What is counted of every call, kept as plain numbers and given to Prometheus when it asks.

prometheus_client's own counters take a lock and several Python calls for each change, five times a
call: of a poll that is answered from memory that would be the larger part. These are changed by the
event loop's thread alone, and read by the one that answers Prometheus.
"""

from __future__ import annotations

import bisect
import itertools
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Metric

    from flyte_agent_core import observe

_LATENCY_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BOUNDS = [*map(floatToGoString, _LATENCY_BUCKETS_S), "+Inf"]
_LABELS = ("task_type", "operation")


class Series:
    """The calls of one task type and operation: how many were answered, how long all of them took."""

    __slots__ = ("_buckets", "_exemplars", "_sum_s", "answered")

    def __init__(self) -> None:
        self.answered = 0  # counted, not worked out: between two changes it would seem to go back
        self._sum_s = 0.0
        self._buckets = [0] * len(_BOUNDS)
        self._exemplars: list[Exemplar | None] = [None] * len(_BOUNDS)

    def add(self, took_s: float, trace_id: str = "") -> None:
        """Count a call; its trace, if there is one, is the bucket's example."""
        bucket = bisect.bisect_left(_LATENCY_BUCKETS_S, took_s)
        self._buckets[bucket] += 1
        self._sum_s += took_s
        if trace_id:
            self._exemplars[bucket] = Exemplar({"trace_id": trace_id}, took_s, time.time())

    def add_to(self, latency: HistogramMetricFamily, labels: tuple[str, str]) -> None:
        """Put the times into a histogram."""
        counts = itertools.accumulate(self._buckets)
        buckets = zip(_BOUNDS, counts, self._exemplars, strict=True)
        latency.add_metric(
            labels,
            [(le, count, one) if one else (le, count) for le, count, one in buckets],
            self._sum_s,
        )


class CallFigures(Collector):
    """
    The series of every call.

    Attributes:
        in_flight: Calls being answered, by operation.
    """

    def __init__(self) -> None:
        self.in_flight: defaultdict[str, int] = defaultdict(int)
        self._series: defaultdict[tuple[str, str], Series] = defaultdict(Series)

    def answered(self, task_type: str, operation: str, took_s: float, trace_id: str = "") -> None:
        """Count a call that was answered."""
        series = self._series[task_type, operation]
        series.answered += 1
        series.add(took_s, trace_id)

    def failed(self, task_type: str, operation: str, took_s: float, trace_id: str = "") -> None:
        """Count a call that failed."""
        self._series[task_type, operation].add(took_s, trace_id)

    def describe(self) -> Iterator[Metric]:
        """Yield the series' names."""
        yield from _families()

    def collect(self) -> Iterator[Metric]:
        """Yield the series as they are now."""
        success, latency, in_flight = _families()
        for labels, series in list(self._series.items()):
            success.add_metric(labels, series.answered)
            series.add_to(latency, labels)
        for operation, count in list(self.in_flight.items()):
            in_flight.add_metric([operation], count)
        yield from (success, latency, in_flight)


def _families() -> tuple[CounterMetricFamily, HistogramMetricFamily, GaugeMetricFamily]:
    return (
        CounterMetricFamily(
            "flyte_connector_requests_success", "Requests answered", labels=_LABELS
        ),
        HistogramMetricFamily(
            "flyte_connector_request_latency_seconds", "Time to answer a request", labels=_LABELS
        ),
        GaugeMetricFamily(
            "flyte_agent_requests_in_flight", "Requests being answered", labels=["operation"]
        ),
    )


class Phases(Collector):
    """How often each phase was answered; counted from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], int] = {}

    def count(self, answer: observe.Answer) -> None:
        """Count an answer."""
        key = answer.task_type, answer.phase
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1

    def describe(self) -> Iterator[Metric]:
        """Yield the series' name."""
        yield self._family()

    def collect(self) -> Iterator[Metric]:
        """Yield the series as it is now."""
        phases = self._family()
        with self._lock:
            counts = dict(self._counts)
        for labels, count in counts.items():
            phases.add_metric(labels, count)
        yield phases

    @staticmethod
    def _family() -> CounterMetricFamily:
        labels = ("task_type", "phase")
        return CounterMetricFamily("flyte_agent_phases", "Phases answered", labels=labels)
