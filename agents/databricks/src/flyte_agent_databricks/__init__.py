"""Run Databricks jobs as Flyte tasks."""

from __future__ import annotations

import flytekit as _flytekit  # noqa: F401
