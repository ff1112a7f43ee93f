"""
What agents tell (:mod:`flyte_agent_core.observe`), as metrics.

Every label has few values: names of agents' own making are counted, and what comes after the limit
of a label is counted as ``other``.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Histogram

from flyte_agent_core import observe

from .call_figures import Phases

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

_VENDOR_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_JOBS_BUCKETS = (1, 2, 5, 10, 50, 100, 500, 1000, 5000, 10_000)

OTHER = "other"
_MOST_CODES = 100
_MOST_PROJECTS = 200


class Bounded:
    """Lets the first ``most`` different values through; the others become ``other``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: set[Any] = set()

    def admits(self, value: Any) -> bool:
        """Whether ``value`` is one of the first."""
        if value in self._seen:
            return True
        if len(self._seen) >= self._most:
            return False
        self._seen.add(value)
        return True

    def of(self, value: str) -> str:
        """Return ``value`` or ``other``."""
        return value if self.admits(value) else OTHER


@dataclasses.dataclass
class Vendor:
    """
    How one vendor answers, for the status page.

    Attributes:
        passed: Calls that passed.
        failed: Calls that did not.
        passed_s: Seconds since 1970 of the last call that passed; 0 for none.
        failed_s: The same of the last that did not.
        failed_code: What that one ended with.
    """

    passed: int = 0
    failed: int = 0
    passed_s: float = 0.0
    failed_s: float = 0.0
    failed_code: str = ""

    def note(self, call: observe.VendorCall, code: str) -> None:
        """Count a call."""
        if call.failed:
            self.failed, self.failed_s, self.failed_code = self.failed + 1, time.time(), code
        else:
            self.passed, self.passed_s = self.passed + 1, time.time()

    @property
    def is_well(self) -> bool:
        """Whether the last call passed."""
        return self.passed_s >= self.failed_s


class Meters:
    """
    The series of what agents tell; ``listener`` is what to register with the core.

    Attributes:
        vendors: By name, how each answers.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"flyte_agent_{name}", about, labels, registry=registry)

        self._phases = Phases()
        registry.register(self._phases)
        self.poll_failures = counter(
            "poll_failures_total", "Polls that could not see their job", "task_type", "code"
        )
        self.orphans = counter(
            "orphans_total", "Jobs whose create had lost its caller", "task_type", "outcome"
        )
        self.given_up = counter(
            "given_up_total",
            "Jobs given up because their polls failed for too long",
            *("task_type", "outcome"),
        )
        self.used = counter(
            "used_total",
            "What finished jobs used, by unit (bytes, usd, tokens)",
            *("unit", "project", "domain", "task_type"),
        )
        self.vendor_calls = counter(
            "vendor_calls_total", "Requests to vendors", "vendor", "method", "code"
        )
        self.refused = counter(
            "vendor_refusals_total", "Requests a vendor refused for their rate", "vendor"
        )
        self.waited = counter(
            "vendor_wait_seconds_total", "Time requests were kept back for the rate", "vendor"
        )
        self._add_histograms(registry)
        self.vendors: dict[str, Vendor] = {}
        self._codes, self._projects = Bounded(_MOST_CODES), Bounded(_MOST_PROJECTS)
        self._children: dict[tuple[Any, ...], Any] = {}
        self._takers: dict[type, Callable[[Any], None]] = {
            observe.Answer: self._phases.count,
            observe.VendorCall: self._vendor_call,
            observe.PollFailed: self._poll_failed,
            observe.Round: self._round,
            observe.Orphan: self._orphan,
            observe.GivenUp: self._given_up,
            observe.Throttled: self._throttled,
            observe.Used: self._used,
        }

    def _add_histograms(self, registry: CollectorRegistry) -> None:
        self.vendor_s = Histogram(
            "flyte_agent_vendor_call_seconds",
            "Time a vendor took to answer",
            ["vendor", "method"],
            registry=registry,
            buckets=_VENDOR_BUCKETS_S,
        )
        self.round_jobs = Histogram(
            "flyte_agent_poll_round_jobs",
            "Jobs asked for in one round of shared polls",
            ["task_type"],
            registry=registry,
            buckets=_JOBS_BUCKETS,
        )

    def listener(self, event: object) -> None:
        """Take one event; called from any thread."""
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)

    def _child(self, metric: Any, *labels: str) -> Any:
        key = (id(metric), *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child

    def _vendor_call(self, event: observe.VendorCall) -> None:
        code = self._codes.of(event.code)
        self._child(self.vendor_calls, event.vendor, event.method, code).inc()
        self._child(self.vendor_s, event.vendor, event.method).observe(event.took_s)
        self.vendors.setdefault(event.vendor, Vendor()).note(event, code)

    def _poll_failed(self, event: observe.PollFailed) -> None:
        self._child(self.poll_failures, event.task_type, self._codes.of(event.code)).inc()

    def _round(self, event: observe.Round) -> None:
        self._child(self.round_jobs, event.task_type).observe(event.jobs)

    def _orphan(self, event: observe.Orphan) -> None:
        outcome = "deleted" if event.deleted else "left"
        self._child(self.orphans, event.task_type, outcome).inc()

    def _given_up(self, event: observe.GivenUp) -> None:
        outcome = "stopped" if event.stopped else "left"
        self._child(self.given_up, event.task_type, outcome).inc()

    def _throttled(self, event: observe.Throttled) -> None:
        if event.refused:
            self._child(self.refused, event.vendor).inc()
        self._child(self.waited, event.vendor).inc(event.waited_s)

    def _used(self, event: observe.Used) -> None:
        place = event.project, event.domain
        project, domain = place if self._projects.admits(place) else (OTHER, OTHER)
        for unit, amount in event.figures.items():
            self._child(self.used, unit, project, domain, event.task_type).inc(amount)
