"""
Run BigQuery jobs as Flyte tasks.

::

    from flyte_agent_bigquery import BigQueryConfig, BigQueryTask

Names are loaded when they are used: flytekit imports this package whether it is used or not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import checks
    from .agent import BigQueryAgent
    from .checks_rules import CheckReport, CheckResult
    from .config import CostGuard
    from .config_author import SERVICE_PROJECT, BigQueryConfig
    from .config_jobs import CopyConfig, ExtractConfig, LoadConfig
    from .config_parts import RangePartitioning, TimePartitioning
    from .meta import BigQueryJobMeta
    from .sensor_state import TableState
    from .task import BigQueryCheckTask, BigQueryJobTask, BigQueryTask
    from .task_sensor import BigQuerySensor
    from .types import BigQueryType

_HOMES = {
    "SERVICE_PROJECT": "config_author",
    "BigQueryAgent": "agent",
    "BigQueryCheckTask": "task",
    "BigQueryConfig": "config_author",
    "BigQueryJobMeta": "meta",
    "BigQueryJobTask": "task",
    "BigQuerySensor": "task_sensor",
    "BigQueryTask": "task",
    "BigQueryType": "types",
    "CheckReport": "checks_rules",
    "CheckResult": "checks_rules",
    "CopyConfig": "config_jobs",
    "CostGuard": "config",
    "ExtractConfig": "config_jobs",
    "LoadConfig": "config_jobs",
    "RangePartitioning": "config_parts",
    "TableState": "sensor_state",
    "TimePartitioning": "config_parts",
}

__all__ = [
    "SERVICE_PROJECT",
    "BigQueryAgent",
    "BigQueryCheckTask",
    "BigQueryConfig",
    "BigQueryJobMeta",
    "BigQueryJobTask",
    "BigQuerySensor",
    "BigQueryTask",
    "BigQueryType",
    "CheckReport",
    "CheckResult",
    "CopyConfig",
    "CostGuard",
    "ExtractConfig",
    "LoadConfig",
    "RangePartitioning",
    "TableState",
    "TimePartitioning",
    "checks",
]


def __getattr__(name: str) -> Any:
    if name == "checks":
        return importlib.import_module(f"{__name__}.checks")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# flytekit imports every installed agent while it is imported itself. Whichever of the two a program
# imports first, that must not happen while a module of this package is half imported: hence the
# lazy names above, and this import before any of them.
import flytekit as _flytekit  # noqa: E402, F401  # must come last
