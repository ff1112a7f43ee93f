"""The one place that touches flytekit's internals; renames there are absorbed here."""

from __future__ import annotations

from flytekit.core.base_task import PythonTask, TaskMetadata
from flytekit.core.context_manager import FlyteContext, FlyteContextManager
from flytekit.exceptions.system import FlyteConnectorNotFound
from flytekit.exceptions.user import FlyteUserException
from flytekit.extend.backend.base_connector import (
    AsyncConnectorBase,
    ConnectorBase,
    ConnectorRegistry,
    SyncConnectorBase,
)
from flytekit.extend.backend.base_connector import Resource as FlyteResource
from flytekit.extend.backend.base_connector import ResourceMeta as FlyteResourceMeta
from flytekit.models.literals import LiteralMap

__all__ = [
    "AsyncConnectorBase",
    "ConnectorBase",
    "ConnectorRegistry",
    "FlyteConnectorNotFound",
    "FlyteContext",
    "FlyteContextManager",
    "FlyteResource",
    "FlyteResourceMeta",
    "FlyteUserException",
    "LiteralMap",
    "PythonTask",
    "SyncConnectorBase",
    "TaskMetadata",
]
