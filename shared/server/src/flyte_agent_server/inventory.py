"""What is installed and what became of it, for people and for machines."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_agent_core.registration import REPORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .discovery import Candidate, Loaded
    from .startup import Assembly


@dataclasses.dataclass(frozen=True)
class Entry:
    """
    One task type of one installed agent, or an agent of which there is no task type to tell.

    Attributes:
        agent: What ``--agent`` calls it.
        kind: ``async``, ``sync`` or empty.
        state: ``served``, ``left to another``, ``broken``, ``not loaded`` or ``no agents``.
        detail: Who serves it instead, what went wrong, how to load it.
    """

    agent: str
    package: str
    version: str
    task_type: str
    kind: str
    state: str
    detail: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the entry for ``--json``."""
        return dataclasses.asdict(self)


def entries(assembly: Assembly) -> list[Entry]:
    """Return everything there is to tell, the agents in the order they were found."""
    loaded = {each.candidate: each for each in assembly.loaded}
    return [
        entry
        for candidate in assembly.installed
        for entry in _entries(assembly, candidate, loaded.get(candidate))
    ]


def _entries(assembly: Assembly, candidate: Candidate, loaded: Loaded | None) -> Iterator[Entry]:
    about = (candidate.name, candidate.distribution, candidate.version)
    if loaded is None:
        yield Entry(*about, "", "", "not loaded", f"--agent {candidate.name}")
        return
    if loaded.error:
        yield Entry(*about, "", "", "broken", loaded.error)
        return
    if not loaded.agents:
        yield Entry(*about, "", "", "no agents", "a plugin of another kind")
    for served in _served(assembly, loaded):
        kind = "sync" if served.is_sync else "async"
        yield Entry(*about, served.task_type, kind, "served")
    yield from _not_served(assembly, loaded, about)


def _served(assembly: Assembly, loaded: Loaded) -> list[Any]:
    kinds = {type(agent) for agent in loaded.agents}
    mine = [agent for agent in assembly.catalogue.agents if type(agent) in kinds]
    categories = [agent.task_category for agent in mine]
    return [assembly.catalogue.find(c.name, c.version) for c in categories]


def _not_served(assembly: Assembly, loaded: Loaded, about: tuple[str, str, str]) -> Iterator[Entry]:
    """Tell what the core noted of this plugin's types and the service does not serve after all."""
    names = {agent.name for agent in loaded.agents}
    served = {(served.name, served.task_type) for served in _served(assembly, loaded)}
    for note in REPORT:
        if note.agent not in names or (note.agent, note.task_type) in served:
            continue
        state = "broken" if note.state == "failed" else "left to another"
        yield Entry(*about, note.task_type, "", state, note.detail)
