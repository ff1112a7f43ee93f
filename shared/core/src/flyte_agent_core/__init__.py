"""
What a Flyte agent is written on.

Override ``create``, ``get`` and ``delete`` of :class:`AsyncAgent` (or ``do`` of
:class:`SyncAgent`), say in tables what the vendor's states and errors mean, and :func:`register`
the class. The rules of Flyte's protocol hold without the author's help.
"""

from __future__ import annotations

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
