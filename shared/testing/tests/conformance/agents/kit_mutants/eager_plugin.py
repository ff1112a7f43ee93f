"""A plugin module that imports the vendor's SDK."""

from __future__ import annotations

import kit_reference_sdk  # noqa: F401  # this is the defect
from kit_reference import plugin  # noqa: F401  # registers the agents
