"""
What is registered with flytekit in this process.

The registry is process-wide and holds whatever any import put there, flytekit's own sensor
included. The service therefore serves what it loaded on purpose
(:mod:`flyte_agent_server.catalogue`) and only reads the registry, to see what a plugin added to it.
"""

from __future__ import annotations

from typing import Any

# The core keeps flytekit's internals in one module; taking the name from there follows flytekit's
# renames.
from flyte_agent_core._flyte import ConnectorRegistry  # noqa: PLC2701


def registered() -> list[Any]:
    """Return every agent in flytekit's registry."""
    categories = [
        (category.name, category.version)
        for entry in ConnectorRegistry.list_connectors()
        for category in entry.supported_task_categories
    ]
    return [ConnectorRegistry.get_connector(name, version) for name, version in categories]
