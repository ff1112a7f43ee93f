"""
``/`` on the metrics port: how the service is, for a person with a browser.

One page without scripts, everything in it escaped. It shows what the metrics know and the last
warnings of the log; nothing of a task's inputs, and no secret that is known as one.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from flyte_agent_core import observe

from .logs import Recent
from .status_figures import Calls, Snapshot, snapshot
from .status_html import Row, Section, duration, page

if TYPE_CHECKING:
    from collections.abc import Callable

    from typing_extensions import Self

    from .catalogue import Catalogue
    from .metrics import Metrics

_EVERY_S = 5.0
_WINDOW_S = 60.0


class StatusPage:
    """
    Listens to agents and to the log while it is entered, and gives the page.

    Args:
        catalogue: What is served.
        metrics: Where agents' events go, and where the figures come from.
        clock: Monotonic seconds.
    """

    def __init__(
        self, catalogue: Catalogue, metrics: Metrics, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._catalogue, self._metrics, self._clock = catalogue, metrics, clock
        self._recent = Recent()
        self._started_s = clock()
        first = snapshot(metrics.registry)
        self._samples: deque[tuple[float, Snapshot]] = deque([(self._started_s, first)])

    def __enter__(self) -> Self:
        self._stop = observe.listen(self._metrics.meters.listener)
        logging.getLogger("flyte_agent").addHandler(self._recent)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("flyte_agent").removeHandler(self._recent)
        self._stop()

    def tick(self) -> None:
        """Take a sample now and then; the page tells what happened since the oldest of them."""
        now_s = self._clock()
        if now_s - self._samples[-1][0] < _EVERY_S:
            return
        self._samples.append((now_s, snapshot(self._metrics.registry)))
        while len(self._samples) > 1 and now_s - self._samples[1][0] >= _WINDOW_S:
            self._samples.popleft()

    def html(self) -> str:
        """Return the page as it is now."""
        return page(f"up for {duration(self._up_s())}", self.sections())

    def json(self) -> str:
        """Return the same for machines; of several processes the one that watches them reads it."""
        parts = [dataclasses.asdict(section) for section in self.sections()]
        return json.dumps({"up_s": round(self._up_s(), 1), "sections": parts}, default=str)

    def sections(self) -> list[Section]:
        """Return the parts of the page."""
        now_s = self._clock()
        then_s, before = self._samples[0]
        calls = snapshot(self._metrics.registry).since(before)
        window_s = max(now_s - then_s, 1.0)
        return [
            self._agents(),
            _calls(calls, window_s),
            self._vendors(),
            self._errors(),
        ]

    def _up_s(self) -> float:
        return self._clock() - self._started_s

    def _agents(self) -> Section:
        rows = []
        for agent in self._catalogue.listing():
            types = [category.name for category in agent.supported_task_categories]
            versions = {_distribution(self._catalogue, name) for name in types}
            kind = "sync" if agent.is_sync else "async"
            rows.append(
                Row([agent.name, ", ".join(sorted(versions)), kind, ", ".join(sorted(types))])
            )
        head = ["agent", "package", "kind", "task types"]
        return Section("agents", "Agents", head, rows, "no agent is served")

    def _vendors(self) -> Section:
        rows = []
        for name, vendor in sorted(self._metrics.meters.vendors.items()):
            state = "well" if vendor.is_well else "failing"
            last = f"{vendor.failed_code} at {_at(vendor.failed_s)}" if vendor.failed_s else ""
            cells = [name, state, vendor.passed, vendor.failed, _at(vendor.passed_s), last]
            rows.append(Row(cells, "" if vendor.is_well else "bad"))
        head = ["vendor", "state", "passed", "failed", "last that passed", "last that failed"]
        return Section("vendors", "Vendors", head, rows, "no vendor has been called yet")

    def _errors(self) -> Section:
        rows = [
            Row(
                [_at(when_s), level, said, " ".join(f"{k}={v}" for k, v in call.items())],
                "bad" if level in {"ERROR", "CRITICAL"} else "warn",
            )
            for when_s, level, said, call in reversed(self._recent.lines)
        ]
        head = ["time (UTC)", "level", "message", "call"]
        return Section("errors", "Last warnings and errors", head, rows, "none since the start")


def _calls(calls: dict[tuple[str, str], Calls], window_s: float) -> Section:
    rows = [
        Row(
            [
                task_type or "-",
                operation,
                f"{each.count / window_s:.2f}/s",
                int(each.failed),
                _seconds(each.mean_s),
                each.p95_text(),
            ],
            "warn" if each.failed else "",
        )
        for (task_type, operation), each in sorted(calls.items())
        if each.count
    ]
    head = ["task type", "operation", "rate", "failed", "mean", "95 % within"]
    return Section("calls", f"Calls of the last {duration(window_s)}", head, rows, "none")


def _distribution(catalogue: Catalogue, task_type: str) -> str:
    """Return name and version of the distribution an agent is from."""
    import importlib.metadata  # the page is rarely asked for

    for agent in catalogue.agents:
        if agent.task_category.name == task_type:
            root = type(agent).__module__.partition(".")[0]
            return _version(importlib.metadata, root)
    return "unknown"


def _version(metadata: Any, root: str) -> str:
    names = [root.replace("_", "-"), *metadata.packages_distributions().get(root, ())]
    for name in names:
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return root


def _seconds(value_s: float) -> str:
    return f"{value_s * 1000:.1f} ms" if value_s < 1 else f"{value_s:.2f} s"


def _at(when_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(when_s)) if when_s else ""
