"""
What a Python task finds around it: ``dbutils``, ``spark``, ``display``, and who starts the task itself.

databricks-sdk looks for a package of this name when code says ``from databricks.sdk.runtime import dbutils``. Only
the standard library is imported here, so that a task starts as quickly as Python does.
"""

from __future__ import annotations

from typing import Any

__all__ = ["UserNamespaceInitializer"]


class UserNamespaceInitializer:
    """The name under which databricks-sdk asks a cluster for the objects of its notebooks."""

    _only: UserNamespaceInitializer | None = None
    names: dict[str, Any]

    def __init__(self) -> None:
        self.names = {}

    @classmethod
    def getOrCreate(cls) -> UserNamespaceInitializer:  # noqa: N802  # the name that is called
        """Return the one of this process."""
        if cls._only is None:
            cls._only = cls()
        return cls._only

    def get_namespace_globals(self) -> dict[str, Any]:
        """Return the objects by name."""
        return self.names
