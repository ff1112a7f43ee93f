"""From names on the command line to what is served; flytekit is imported here and not before."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from . import allocator, logs
from .bootstrap import import_flytekit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .catalogue import Catalogue
    from .discovery import Candidate, Loaded


@dataclasses.dataclass(frozen=True)
class Assembly:
    """
    What was found, what was loaded of it, and what is served.

    Attributes:
        installed: Every plugin that may have agents, loaded or not.
        loaded: Those that were asked for, broken ones included.
    """

    installed: list[Candidate]
    loaded: list[Loaded]
    catalogue: Catalogue

    @property
    def broken(self) -> list[Loaded]:
        """Those that could not be loaded."""
        return [each for each in self.loaded if each.error]


def assemble(
    wanted: Iterable[str] = (),
    unwanted: Iterable[str] = (),
    *,
    log_format: logs.Format = "console",
    log_level: str = "INFO",
) -> Assembly:
    """
    Load the agents that are wanted, and configure logging before they say anything.

    Args:
        wanted: Names as in ``--agent``; none means all.
        unwanted: Names as in ``--no-agent``.
        log_format: How log lines look.
        log_level: The least important level that is logged.

    Raises:
        UnknownAgentError: Nothing installed has one of the names.
    """
    allocator.few_arenas()
    import_flytekit()
    logs.configure(log_format, log_level)
    from . import discovery
    from .catalogue import Catalogue

    installed = discovery.find()
    loaded = discovery.load(discovery.choose(installed, wanted, unwanted))
    agents = {id(agent): agent for each in loaded for agent in each.agents}
    return Assembly(installed, loaded, Catalogue(agents.values()))
