"""Scripted faults: what a stand-in does wrong, to which route, and how often."""

from __future__ import annotations

import difflib
import random
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

Drop = bool | Literal["after"]


@dataclass(eq=False)
class Fault:
    """
    One scripted fault; ``hits`` counts how often it happened.

    Attributes:
        route: Name of the route it applies to; ``*`` for all.
        status: HTTP status to answer with; ``None`` leaves the answer alone.
        reason: The vendor's word for it, for the body.
        message: Text for the body.
        headers: Headers of the answer, for instance ``{"Retry-After": "1"}``.
        delay_s: Wait this long first.
        drop_connection: ``True`` closes the connection instead of working; ``"after"`` does the work and
            then closes it: the answer is lost.
        work_first: Do the work, then answer with ``status``.
        times: How often it happens; ``None`` for ever.
        after: Requests to let pass first.
        probability: Chance for each request, drawn from ``seed``.
    """

    route: str
    status: int | None = None
    reason: str = ""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    drop_connection: Drop = False
    work_first: bool = False
    times: int | None = 1
    after: int = 0
    probability: float = 1.0
    seed: int | None = None
    hits: int = field(default=0, init=False)
    _seen: int = field(default=0, init=False)
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        if self.status is None and not self.drop_connection and not self.delay_s:
            raise ValueError(
                f"fault on {self.route!r} does nothing: give status=, delay_s= or drop_connection="
            )
        if self.drop_connection not in (True, False, "after"):
            raise ValueError(
                f"drop_connection: found {self.drop_connection!r}, expected True, False or 'after'"
            )
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"probability: found {self.probability!r}, expected 0.0 to 1.0")

    @property
    def spent(self) -> bool:
        """Whether it has happened as often as it may."""
        return self.times is not None and self.hits >= self.times

    def fires(self, route: str) -> bool:
        """Decide for one request, and count it."""
        if self.spent or self.route not in ("*", route):
            return False
        self._seen += 1
        if self._seen <= self.after or self._random.random() >= self.probability:
            return False
        self.hits += 1
        return True


class Faults:
    """The faults of one server, in the order they were added; a request meets the first one that fires."""

    def __init__(self, routes: Collection[str]) -> None:
        self._routes = routes
        self.active: list[Fault] = []

    def add(  # noqa: PLR0913 - a script in one line reads best at the call
        self,
        route: str,
        *,
        status: int | None = None,
        reason: str = "",
        message: str = "",
        headers: Mapping[str, str] | None = None,
        delay_s: float = 0.0,
        drop_connection: Drop = False,
        work_first: bool = False,
        times: int | None = 1,
        after: int = 0,
        probability: float = 1.0,
        seed: int | None = None,
    ) -> Fault:
        """Script a fault (see :class:`Fault` for the arguments). Raises ``ValueError`` for an unknown route."""
        if route != "*" and route not in self._routes:
            near = difflib.get_close_matches(route, self._routes, n=1) or sorted(self._routes)
            raise ValueError(
                f"route: found {route!r}, which this server has not; did you mean {near}?"
            )
        fault = Fault(
            route,
            status,
            reason,
            message,
            headers or {},
            delay_s,
            drop_connection,
            work_first,
            times,
            after,
            probability,
            seed,
        )
        self.active.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Stop a fault; one that has gone already is fine."""
        self.active = [other for other in self.active if other is not fault]

    def clear(self) -> None:
        """Stop all faults."""
        self.active = []

    def take(self, route: str) -> Fault | None:
        """The fault this request meets."""
        return next((fault for fault in self.active if fault.fires(route)), None)
