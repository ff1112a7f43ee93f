"""What the status page tells of calls: the difference between two looks at the metrics."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_LATENCY = "flyte_connector_request_latency_seconds"
_FAILURES = "flyte_connector_requests_failure_total"


@dataclasses.dataclass
class Calls:
    """
    The calls of one task type and operation.

    Attributes:
        count: How many ended.
        failed: How many of them failed.
        sum_s: Seconds they took together.
        buckets: Upper bound in seconds, and how many took at most that.
    """

    count: float = 0.0
    failed: float = 0.0
    sum_s: float = 0.0
    buckets: dict[float, float] = dataclasses.field(default_factory=dict)

    @property
    def mean_s(self) -> float:
        """Seconds a call took on average."""
        return self.sum_s / self.count if self.count else 0.0

    def p95_text(self) -> str:
        """Return the bound that 95 % of the calls kept."""
        enough = (le for le, n in sorted(self.buckets.items()) if n >= 0.95 * self.count)
        bound_s = next(enough, math.inf)
        if math.isinf(bound_s):
            return "more than 60 s"
        return f"{bound_s * 1000:g} ms" if bound_s < 1 else f"{bound_s:g} s"

    def minus(self, before: Calls) -> Calls:
        """Return the calls that came after ``before``."""
        buckets = {le: n - before.buckets.get(le, 0.0) for le, n in self.buckets.items()}
        return Calls(
            self.count - before.count,
            self.failed - before.failed,
            self.sum_s - before.sum_s,
            buckets,
        )


@dataclasses.dataclass
class Snapshot:
    """All calls up to some moment, by task type and operation."""

    calls: dict[tuple[str, str], Calls]

    def since(self, before: Snapshot) -> dict[tuple[str, str], Calls]:
        """Return what happened after ``before``."""
        return {key: now.minus(before.calls.get(key, Calls())) for key, now in self.calls.items()}


def snapshot(registry: CollectorRegistry) -> Snapshot:
    """Return the calls counted so far."""
    found: dict[tuple[str, str], Calls] = {}
    names = [_FAILURES, *(f"{_LATENCY}_{part}" for part in ("count", "sum", "bucket"))]
    for metric in registry.restricted_registry(names).collect():
        for sample in metric.samples:
            labels = sample.labels
            calls = found.setdefault((labels["task_type"], labels["operation"]), Calls())
            if sample.name == _FAILURES:
                calls.failed += sample.value
            elif sample.name.endswith("_count"):
                calls.count = sample.value
            elif sample.name.endswith("_sum"):
                calls.sum_s = sample.value
            elif sample.name.endswith("_bucket"):
                calls.buckets[float(labels["le"])] = sample.value
    return Snapshot(found)
