"""
Agents in flytekit's registry, and a record of what became of each.

flytekit loads plugins during ``import flytekit`` with nothing around them, so nothing here may
raise: an agent that cannot be registered is logged and shown by ``flyte-agent list``, and
everything else goes on.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import logging
from typing import TYPE_CHECKING, Any, Literal

from ._flyte import ConnectorRegistry, FlyteConnectorNotFound

if TYPE_CHECKING:
    from .agent import AsyncAgent, SyncAgent

_log = logging.getLogger("flyte_agent")

State = Literal["served", "left to", "failed"]


@dataclasses.dataclass(frozen=True)
class Registered:
    """
    What became of one task type of one agent.

    Attributes:
        state: ``served`` by this agent, ``left to`` another one, or ``failed`` to register.
        detail: Who serves it instead, or why it failed.
    """

    agent: str
    task_type: str
    state: State
    detail: str = ""


REPORT: list[Registered] = []
"""Everything :func:`register` did in this process, oldest first."""


def register(agent: type[AsyncAgent[Any] | SyncAgent] | str) -> None:
    """
    Serve an agent under its task type and aliases; never raises, and twice is once.

    An alias is a type of flytekit's stock plugin. If that plugin can be imported it keeps the type,
    loaded already or not: it would raise, and with it ``import flytekit``, if it found its own type
    taken.

    Args:
        agent: The class, or ``"package.module:Class"``, which is imported here, so that not even a
            module that cannot be imported breaks ``import flytekit``.
    """
    try:
        _register(_load(agent) if isinstance(agent, str) else agent)
    except Exception as error:  # noqa: BLE001  # whatever it is, `import flytekit` must pass
        name = agent if isinstance(agent, str) else getattr(agent, "name", agent.__name__)
        task_type = getattr(agent, "task_type", "?")
        _note(name, task_type, "failed", f"{type(error).__name__}: {error}")


def _load(path: str) -> type[AsyncAgent[Any] | SyncAgent]:
    module, _, name = path.partition(":")
    found: type[AsyncAgent[Any] | SyncAgent] = getattr(importlib.import_module(module), name)
    return found


def _register(agent_class: type[AsyncAgent[Any] | SyncAgent]) -> None:
    first = agent_class()
    _claim(first)
    stock = agent_class.stock_module
    for alias in agent_class.aliases:
        if stock and _importable(stock):
            _note(first.name, alias, "left to", stock)
        else:
            _claim(agent_class(alias, runtime=first.runtime, clock=first.clock))


def _claim(agent: AsyncAgent[Any] | SyncAgent) -> None:
    task_type: str = agent.task_category.name
    try:
        holder = ConnectorRegistry.get_connector(task_type)
    except FlyteConnectorNotFound:
        ConnectorRegistry.register(agent)
        _note(agent.name, task_type, "served")
        return
    if type(holder) is not type(agent):
        _note(agent.name, task_type, "left to", f"{type(holder).__module__} ({holder.name})")


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        return False


def _note(agent: str, task_type: str, state: State, detail: str = "") -> None:
    entry = Registered(agent, task_type, state, detail)
    if entry in REPORT:
        return
    REPORT.append(entry)
    log = _log.error if state == "failed" else _log.debug
    log("%s: task type %s is %s %s", agent, task_type, state, detail)
