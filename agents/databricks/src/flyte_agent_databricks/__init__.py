"""
Run Databricks jobs as Flyte tasks.

::

    from flyte_agent_databricks import DatabricksConfig, DatabricksTask, Notebook

Names are loaded when they are used: flytekit imports this package whether it is used or not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent import DatabricksAgent
    from .meta import DatabricksJobMeta
    from .run import run_task
    from .task import DatabricksSQLTask, DatabricksTask
    from .task_compute import ExistingCluster, NewCluster, Serverless
    from .task_config import DatabricksConfig, DatabricksJob
    from .task_kinds import (
        Condition,
        Dbt,
        ExistingJob,
        ForEach,
        Jar,
        Notebook,
        Pipeline,
        PythonFile,
        PythonWheel,
        RunJob,
        SparkSubmit,
        Step,
    )
    from .task_kinds_sql import Alert, Dashboard, SqlAlert, SqlDashboard, SqlFile, SqlQuery
    from .task_outputs import RUN_ID, TaskValue
    from .task_sql import DatabricksType
    from .task_stock import Databricks, DatabricksV2

_NAMES = {
    "agent": ("DatabricksAgent",),
    "meta": ("DatabricksJobMeta",),
    "run": ("run_task",),
    "task": ("DatabricksSQLTask", "DatabricksTask"),
    "task_body": ("DatabricksJob",),
    "task_compute": ("ExistingCluster", "NewCluster", "Serverless"),
    "task_config": ("DatabricksConfig",),
    "task_kinds": (
        "Condition", "Dbt", "ExistingJob", "ForEach", "Jar", "Notebook", "Pipeline", "PythonFile", "PythonWheel",
        "RunJob", "SparkSubmit", "Step",
    ),
    "task_kinds_sql": ("Alert", "Dashboard", "SqlAlert", "SqlDashboard", "SqlFile", "SqlQuery"),
    "task_outputs": ("RUN_ID", "TaskValue"),
    "task_sql": ("DatabricksType",),
    "task_stock": ("Databricks", "DatabricksV2"),
}  # fmt: skip
_HOMES = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "RUN_ID",
    "Alert",
    "Condition",
    "Dashboard",
    "Databricks",
    "DatabricksAgent",
    "DatabricksConfig",
    "DatabricksJob",
    "DatabricksJobMeta",
    "DatabricksSQLTask",
    "DatabricksTask",
    "DatabricksType",
    "DatabricksV2",
    "Dbt",
    "ExistingCluster",
    "ExistingJob",
    "ForEach",
    "Jar",
    "NewCluster",
    "Notebook",
    "Pipeline",
    "PythonFile",
    "PythonWheel",
    "RunJob",
    "Serverless",
    "SparkSubmit",
    "SqlAlert",
    "SqlDashboard",
    "SqlFile",
    "SqlQuery",
    "Step",
    "TaskValue",
    "run_task",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# flytekit imports every installed agent while it is imported itself. Whichever of the two a program
# imports first, that must not happen while a module of this package is half imported: hence the
# lazy names above, and this import before any of them.
import flytekit as _flytekit  # noqa: E402, F401  # must come last
