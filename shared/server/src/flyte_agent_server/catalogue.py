"""What this service serves: task types and the agents behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyteidl.admin.agent_pb2 import Agent, TaskCategory

from flyte_agent_core import AsyncAgent, SyncAgent

from .errors import UnknownNameError, UnknownTaskTypeError
from .governed import Governed, no_facts
from .limits import Limited, Limits, Places
from .served import CoreAgent, Served
from .stock import StockAgent
from .sync_as_async import SyncAsAsync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .policy import Policy


class Catalogue:
    """
    The task types of one service and what serves each; made once, then only read.

    It is not flytekit's registry: that one also holds what nobody asked this service to serve.
    """

    def __init__(self, agents: Iterable[Any]) -> None:
        registered = list(agents)
        self.agents = [*registered, *_unclaimed_aliases(registered)]
        self._places = {_owner(agent): Places() for agent in self.agents}
        self._streams = {owner: Places() for owner in self._places}
        self.limit(Limits())
        self._bare = {_category(agent): _bare(agent) for agent in self.agents}
        self._plain = {
            _category(agent): _limited(
                self._bare[_category(agent)],
                self._places[_owner(agent)],
                self._streams[_owner(agent)],
            )
            for agent in self.agents
        }
        self._served: dict[tuple[str, int], Served] = dict(self._plain)
        self._names = frozenset(name for name, _ in self._served)
        self._listing = _listing(self._served.values())

    def __len__(self) -> int:
        return len(self._served)

    @property
    def task_types(self) -> list[str]:
        """The task types served, sorted."""
        return sorted(self._names)

    def find(self, task_type: str, version: int = 0) -> Served:
        """
        Return what serves a task type.

        Raises:
            UnknownTaskTypeError: Nothing does.
        """
        served = self._served.get((task_type, version))
        if served is None:
            raise UnknownTaskTypeError(self._unknown(task_type, version))
        return served

    def label(self, task_type: str) -> str:
        """
        Return ``task_type`` if it is served, else ``unknown``.

        For metrics, which must not grow with whatever callers send.
        """
        return task_type if task_type in self._names else "unknown"

    def limit(self, limits: Limits) -> None:
        """Have every agent keep to ``limits`` from now on."""
        for places in self._places.values():
            places.limits, places.most = limits, limits.calls_per_agent
            places.most_waiting = limits.waiting_per_agent
        for places in self._streams.values():
            places.limits, places.most, places.most_waiting = limits, limits.logs_per_agent, 0

    def hold(self, agent: Any, called: Callable[[], None]) -> None:
        """
        Have calls of ``agent`` wait until :meth:`release`; ``called`` is called when the first comes.

        An agent imports its vendor's library while it gets ready. Whoever imports the same meanwhile waits for
        it, and a call would do that on the event loop, where everybody else waits along.
        """
        self._places[_owner(agent)].hold(called)

    def release(self, agent: Any) -> None:
        """Have calls of ``agent``, under all of its types, wait no longer."""
        self._places[_owner(agent)].release()

    def allow_threads(self, most: int) -> None:
        """Have every agent make at most so many blocking vendor calls at once."""
        for each in self._bare.values():
            each.threads.limit = most

    def govern(self, policy: Callable[[], Policy]) -> None:
        """Put a policy in front of every agent; it is asked for at each start of a job."""
        for agent in self.agents:
            key = _category(agent)
            facts = getattr(agent, "policy_facts", no_facts)
            self._served[key] = Governed(self._plain[key], policy, facts)

    def listing(self) -> list[Agent]:
        """Return the answer to ListAgents."""
        return self._listing

    def describe(self, name: str) -> Agent:
        """
        Return the answer to GetAgent.

        Raises:
            UnknownNameError: There is no such agent.
        """
        for agent in self._listing:
            if agent.name == name:
                return agent
        names = ", ".join(agent.name for agent in self._listing) or "none"
        raise UnknownNameError(f"no agent is called {name[:200]!r}; there are: {names}")

    def _unknown(self, task_type: str, version: int) -> str:
        versions = [str(v) for name, v in self._served if name == task_type]
        if versions:
            return (
                f"task type {task_type!r} is served in version {', '.join(versions)}, not {version}"
            )
        return (
            f"no agent here serves task type {task_type[:200]!r}; "
            f"served are: {', '.join(self.task_types) or 'none'}. "
            "Install the agent's package in this service, or start it with --agent for it"
        )


def serve(agent: Any) -> Served:
    """Return ``agent``, built on our core or on flytekit alone, in the form the service calls."""
    return _limited(_bare(agent), Places(), Places())


def _bare(agent: Any) -> CoreAgent | StockAgent:
    core = isinstance(agent, (AsyncAgent, SyncAgent))
    return CoreAgent(agent) if core else StockAgent(agent)


def _limited(inner: Served, places: Places, streams: Places) -> Served:
    served = Limited(inner, places, streams)
    return SyncAsAsync(served) if served.is_sync else served


def _owner(agent: Any) -> int:
    """Return what the instances of one agent have in common."""
    return id(getattr(agent, "runtime", agent))


def _category(agent: Any) -> tuple[str, int]:
    return agent.task_category.name, agent.task_category.version


def _unclaimed_aliases(agents: list[Any]) -> list[Any]:
    """
    Return our agents under types they left to a stock plugin that this service does not load.

    In flytekit's registry they must leave them even then: the plugin could be imported later, and
    would raise.
    """
    taken = {_category(agent) for agent in agents}
    mine = [agent for agent in agents if isinstance(agent, (AsyncAgent, SyncAgent))]
    return [
        type(agent)(alias, runtime=agent.runtime, clock=agent.clock)
        for agent in mine
        if agent.task_category.name == agent.task_type
        for alias in agent.aliases
        if (alias, 0) not in taken
    ]


def _listing(served: Iterable[Served]) -> list[Agent]:
    """
    Return one message per agent name and kind.

    Propeller takes ``is_sync`` from the message that carries the type, so sync and async agents of
    one name must not share one.
    """
    groups: dict[tuple[str, bool], Agent] = {}
    for each in served:
        agent = groups.setdefault(
            (each.name, each.is_sync), Agent(name=each.name, is_sync=each.is_sync)
        )
        agent.supported_task_types.append(each.task_type)
        agent.supported_task_categories.append(
            TaskCategory(name=each.task_type, version=each.version)
        )
    return [groups[key] for key in sorted(groups)]
