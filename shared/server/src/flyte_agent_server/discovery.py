"""
Which agents are installed, which of them are wanted, and loading those.

An agent is found through the installed metadata of its distribution (entry point group
``flytekit.plugins``), so nothing is imported to find it. Only what was asked for is loaded; what
fails to load is reported and skipped.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.metadata
import logging
import re
import time
from typing import TYPE_CHECKING, Any

from .bootstrap import PLUGIN_GROUP
from .errors import UnknownAgentError
from .registry import registered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_log = logging.getLogger("flyte_agent.server")

CORE = "flyte-agent-core"


@dataclasses.dataclass(frozen=True)
class Candidate:
    """
    One installed plugin that may register agents.

    Attributes:
        name: What ``--agent`` calls it.
        ours: Its distribution is built on flyte-agent-core.
        by_default: Loaded when no agent is asked for by name.
    """

    name: str
    module: str
    distribution: str
    version: str
    ours: bool = False
    by_default: bool = True

    def answers_to(self, wanted: str) -> bool:
        """Whether ``wanted`` names this one: the entry point's name or the distribution's."""
        return _normal(wanted) in {_normal(self.name), _normal(self.distribution)}


@dataclasses.dataclass
class Loaded:
    """
    What came of loading a candidate.

    Attributes:
        agents: What it registered with flytekit.
        error: Why it could not be loaded, if so.
        took_s: Seconds spent in the import.
    """

    candidate: Candidate
    agents: list[Any] = dataclasses.field(default_factory=list)
    error: str | None = None
    took_s: float = 0.0


# What flytekit itself brings. Its sensor imports any module that a request names, and both take
# requests to wherever a task says, so neither is served to a cluster unless somebody asks for it.
_BUILT_IN = (
    ("flytekit-sensor", "flytekit.sensor"),
    ("flytekit-webhook", "flytekit.extras.webhook"),
)


def find() -> list[Candidate]:
    """Return what is installed, ours first, then by name; imports nothing."""
    found = [_candidate(point) for point in importlib.metadata.entry_points(group=PLUGIN_GROUP)]
    version = importlib.metadata.version("flytekit")
    found += [
        Candidate(name, module, "flytekit", version, by_default=False) for name, module in _BUILT_IN
    ]
    return sorted(
        found, key=lambda c: (not c.ours, c.distribution == "flytekit", c.name, c.distribution)
    )


def _candidate(point: importlib.metadata.EntryPoint) -> Candidate:
    dist = point.dist
    if dist is None:  # only an entry point that was made by hand has no distribution
        return Candidate(point.name, point.module, point.name, "unknown")
    names = [_requirement_name(line) for line in dist.requires or []]
    return Candidate(point.name, point.module, dist.name, dist.version, ours=CORE in names)


def _requirement_name(line: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", line)
    return _normal(match.group()) if match else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def choose(
    found: Sequence[Candidate], wanted: Iterable[str] = (), unwanted: Iterable[str] = ()
) -> list[Candidate]:
    """
    Return the candidates to load.

    Args:
        found: What is installed, as :func:`find` returns it.
        wanted: Names as in ``--agent``; none means every candidate that is served by default. When
            a name fits several, ours is meant; the others answer to the name of their distribution.
        unwanted: Names as in ``--no-agent``.

    Raises:
        UnknownAgentError: Nothing installed has one of the names.
    """
    names = list(wanted)
    chosen = [c for c in found if c.by_default] if not names else _named(found, names)
    dropped = [c for name in unwanted for c in _fitting(found, name)]
    return [c for c in chosen if c not in dropped]


def _named(found: Sequence[Candidate], names: Iterable[str]) -> list[Candidate]:
    fitting = [_fitting(found, name)[0] for name in names]  # find() has put ours first
    return [c for c in found if c in fitting]


def _fitting(found: Sequence[Candidate], name: str) -> list[Candidate]:
    fitting = [c for c in found if c.answers_to(name)]
    if fitting:
        return fitting
    known = list(dict.fromkeys(c.name for c in found))
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise UnknownAgentError(
        f"no agent {name!r} is installed: {hint}installed are {', '.join(known)}; "
        f"to add one: pip install flyte-agent-{_normal(name)}"
    )


def load(candidates: Iterable[Candidate]) -> list[Loaded]:
    """Import each candidate, guarded, and note which agents it registered."""
    return [_load(candidate) for candidate in candidates]


def _load(candidate: Candidate) -> Loaded:
    result, before, started = Loaded(candidate), set(map(id, registered())), time.perf_counter()
    try:
        module = importlib.import_module(candidate.module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  # it may even call sys.exit(); others must serve
        result.error = f"{type(error).__name__}: {error}"
        _log.exception(
            "agent %s (%s %s) could not be loaded and is skipped",
            candidate.name, candidate.distribution, candidate.version,
        )  # fmt: skip
    else:
        package = module.__package__ or candidate.module
        result.agents = [
            agent
            for agent in registered()
            if id(agent) not in before or _defined_in(agent, package)
        ]
    result.took_s = time.perf_counter() - started
    return result


def _defined_in(agent: Any, package: str) -> bool:
    """
    Whether ``package`` defines the agent's class.

    That is how a plugin's agents are known when it was loaded before this module looked.
    """
    modules = (cls.__module__ for cls in type(agent).__mro__)
    return any(module == package or module.startswith(package + ".") for module in modules)
