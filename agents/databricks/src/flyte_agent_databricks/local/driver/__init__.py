"""On the path of what a task runs: only what a Databricks cluster has there too."""

from __future__ import annotations
