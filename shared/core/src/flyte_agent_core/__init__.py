"""
What a Flyte agent is written on.

Override ``create``, ``get`` and ``delete`` of :class:`AsyncAgent` (or ``do`` of :class:`SyncAgent`),
say in tables what the vendor's states and errors mean, and :func:`register` the class. The rules of
Flyte's protocol hold without the author's help.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent import AsyncAgent, SyncAgent
    from .attempt import Attempt
    from .config import Config
    from .errors import AgentError, JobNotFound, ProtocolError, RetryableError, TaskError
    from .meta import JobMeta
    from .phases import Phase, PhaseTable
    from .registration import register
    from .resource import Resource
    from .task import AgentTask

__all__ = [
    "AgentError",
    "AgentTask",
    "AsyncAgent",
    "Attempt",
    "Config",
    "JobMeta",
    "JobNotFound",
    "Phase",
    "PhaseTable",
    "ProtocolError",
    "Resource",
    "RetryableError",
    "SyncAgent",
    "TaskError",
    "register",
]

_HOME = {
    "AgentError": "errors",
    "AgentTask": "task",
    "AsyncAgent": "agent",
    "Attempt": "attempt",
    "Config": "config",
    "JobMeta": "meta",
    "JobNotFound": "errors",
    "Phase": "phases",
    "PhaseTable": "phases",
    "ProtocolError": "errors",
    "Resource": "resource",
    "RetryableError": "errors",
    "SyncAgent": "agent",
    "TaskError": "errors",
    "register": "registration",
}


def __getattr__(name: str) -> Any:
    """Find a public name in its module, on first use."""
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(f".{home}", __name__), name)
    return value


# flytekit imports every installed agent while it is imported itself, and an agent imports names from
# here. That works in either order only if no module of this package is half imported at that time:
# hence the lazy names above, and this import before any of them.
import flytekit as _flytekit  # noqa: E402, F401  # must come last
