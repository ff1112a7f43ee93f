"""A plugin module that raises."""

from __future__ import annotations

from kit_reference import plugin  # noqa: F401  # registers the agents

raise ImportError("the vendor's SDK is not installed")
