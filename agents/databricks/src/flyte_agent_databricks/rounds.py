"""
Many runs in few calls: the list of what is active, instead of one request for each run.

``runs/list`` gives 25 active runs a page. What is not among them has ended, and is asked for by itself. Pages follow
one another, so the time in which the runs were made is cut into slices that are read side by side, each as long as a
number of whole pages. Where a workspace has many active runs that are not Flyte's, listing would cost more than asking:
a slice is given up when too many of its pages hold none that is wanted.

What the pages showed of all runs that were asked for lately is kept for a few seconds: a service that was just started
gets to know its runs one poll after the other, and its next round may be about others of the same pages.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core import AgentError

from . import polling
from .calls import Calls
from .job_run import Run, dicts

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from flyte_agent_core import AsyncAgent, Resource

    from .account import Account
    from .meta import DatabricksJobMeta

LIST_FROM = 5
"""Fewer runs than this are asked for one by one: a page of the list is the heavier answer."""

AT_ONCE = 16
"""Slices, and runs that are asked for one by one, at the same time, on as many connections."""

PAGE = 25
"""Runs a page holds."""

_LEAST_PAGES = 2  # of a slice: each may end with a page that is not full
# Pages with none of ours that are put up with, and runs found for each further one.
_WASTE_FREE, _WASTE_PART = 1, 50
_IN_A_ROW = 100  # runs that are answered before others get their turn
_SKEW_MS = 60_000  # clocks differ
_KNOWN, _KNOWN_S = 50_000, 300.0  # runs that were asked for lately, and what lately is


class Slice(NamedTuple):
    """A span of time, in milliseconds since 1970, and the runs of ours that were made in it."""

    from_ms: int
    to_ms: int
    wanted: frozenset[str]


class Listings:
    """The active runs that lists have shown in the last seconds, and which were asked for lately, by account."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Account], list[tuple[float, dict[str, Run]]]] = {}
        self._asked: dict[tuple[int, Account], OrderedDict[str, float]] = {}

    def of(self, agent: AsyncAgent[Any], account: Account) -> dict[str, Run]:
        """Return what was shown of an account's runs, by id, and is not too old."""
        now_s, found = agent.clock.monotonic(), dict[str, Run]()
        for began_s, runs in self._kept.get(_place(account), ()):
            if now_s - began_s < agent.poll_fresh_s:
                found.update(runs)
        return found

    def keep(
        self, agent: AsyncAgent[Any], account: Account, runs: dict[str, Run], began_s: float
    ) -> None:
        """Keep what a list has shown, for as long as answers are fresh."""
        if agent.poll_fresh_s <= 0:
            return
        place, kept = _place(account), (began_s, runs)
        self._kept.setdefault(place, []).append(kept)
        asyncio.get_running_loop().call_later(agent.poll_fresh_s, self._drop, place, kept)

    def _drop(self, place: tuple[int, Account], kept: tuple[float, dict[str, Run]]) -> None:
        self._kept[place] = [each for each in self._kept[place] if each is not kept]
        if not self._kept[place]:
            del self._kept[place]

    def asked(
        self, agent: AsyncAgent[Any], account: Account, metas: Sequence[DatabricksJobMeta]
    ) -> Container[str]:
        """Note that these runs were asked for; return all that were lately."""
        now_s = agent.clock.monotonic()
        known = self._asked.setdefault(_place(account), OrderedDict())
        for meta in metas:
            known[meta.run_id] = now_s
            known.move_to_end(meta.run_id)
        while len(known) > _KNOWN or now_s - next(iter(known.values())) > _KNOWN_S:
            known.popitem(last=False)
        return known


def _place(account: Account) -> tuple[int, Account]:
    return id(asyncio.get_running_loop()), account


async def poll_all(
    agent: AsyncAgent[Any], metas: Sequence[DatabricksJobMeta], listings: Listings
) -> list[Resource | Exception]:
    """Return what :func:`flyte_agent_databricks.polling.poll` would for each run of one account."""
    account = metas[0].account
    found = listings.of(agent, account)
    known = listings.asked(agent, account, metas)
    missing = [meta for meta in metas if meta.kind != "statement" and meta.run_id not in found]
    if len(missing) >= LIST_FROM:
        began_s = agent.clock.monotonic()
        listed = await _listed(Calls(agent, account), missing, known)
        found.update(listed)
        listings.keep(agent, account, listed, began_s)
    places = asyncio.Semaphore(AT_ONCE)
    answers: list[Resource | Exception] = []
    for start in range(0, len(metas), _IN_A_ROW):
        some = metas[start : start + _IN_A_ROW]
        answers += await asyncio.gather(
            *(_one(agent, meta, found.get(meta.run_id), places) for meta in some)
        )
    return answers


async def _one(
    agent: AsyncAgent[Any], meta: DatabricksJobMeta, run: Run | None, places: asyncio.Semaphore
) -> Resource | Exception:
    try:
        if run is None or run.has_ended:
            async with places:
                return await polling.poll(agent, meta)
        return await polling.answer(agent, meta, run)
    except Exception as error:  # noqa: BLE001  # it concerns this run only
        return error


def slices_of(metas: Sequence[DatabricksJobMeta]) -> list[Slice]:
    """
    Return the slices in which the runs were made, the newest first, with no gaps between them.

    At both ends there is room for runs of which only our own clock has told when they were made.
    """
    ours = sorted(((_made_ms(meta), meta.run_id) for meta in metas), reverse=True)
    pages = -(-len(ours) // PAGE)
    count = max(1, min(AT_ONCE, pages // _LEAST_PAGES))
    each = -(-pages // count) * PAGE
    made: list[Slice] = []
    to_ms = max(_made_ms(meta) + _skew_ms(meta) for meta in metas)
    for start in range(0, len(ours), each):
        some = ours[start : start + each]
        from_ms = some[-1][0]
        if start + each >= len(ours):
            from_ms = max(0, min(_made_ms(meta) - _skew_ms(meta) for meta in metas))
        made.append(Slice(from_ms, to_ms, frozenset(run_id for _, run_id in some)))
        to_ms = from_ms - 1
    return made


def _made_ms(meta: DatabricksJobMeta) -> int:
    return meta.start_ms or round(meta.created_s * 1000)


def _skew_ms(meta: DatabricksJobMeta) -> int:
    return 0 if meta.start_ms else _SKEW_MS


async def _listed(
    calls: Calls, metas: Sequence[DatabricksJobMeta], known: Container[str]
) -> dict[str, Run]:
    """Return the active runs that the list has shown, of those that are known."""
    found: dict[str, Run] = {}
    await asyncio.gather(*(_read(calls, part, known, found) for part in slices_of(metas)))
    return found


async def _read(calls: Calls, part: Slice, known: Container[str], found: dict[str, Run]) -> None:
    """Read a slice until its runs are there, it ends, or it costs more than asking."""
    token, wasted, useful = "", 0, 0
    with contextlib.suppress(AgentError):
        # Each run that is not found is asked for by itself, and says what is wrong.
        while wasted <= _WASTE_FREE + useful // _WASTE_PART:
            page = await calls.active(token, part.from_ms, part.to_ms)
            ours = {r.run_id: r for r in map(Run, dicts(page.get("runs"))) if r.run_id in known}
            found.update(ours)
            wanted = len(ours.keys() & part.wanted)
            useful += wanted
            wasted += not wanted
            token = str(page.get("next_page_token") or "")
            if not token or found.keys() >= part.wanted:
                return
