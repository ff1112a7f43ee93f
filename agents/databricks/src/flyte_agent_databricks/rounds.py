"""
Many runs in few calls: the list of what is active, instead of one request for each run.

``runs/list`` gives 25 active runs a page. What is not among them has ended, and is asked for by itself. Pages follow
one
another, so the time in which the runs were made is cut into slices that are read side by side, each as long as a number
of whole pages. Where a workspace has many active runs that are not Flyte's, listing would cost more than asking: a
slice is given up when too many of its pages hold none of ours.

What the pages showed is kept for a few seconds: a service that was just started gets to know its runs one poll after
the other.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core import AgentError

from . import polling
from .calls import Calls
from .job_run import Run, dicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyte_agent_core import AsyncAgent, Resource

    from .account import Account
    from .meta import DatabricksJobMeta

LIST_FROM = 5
"""Fewer runs than this are asked for one by one: a page of the list is the heavier answer."""

AT_ONCE = 8
"""Slices, and runs that are asked for one by one, at the same time, on as many connections."""

PAGE = 25
"""Runs a page holds."""

_LEAST_PAGES = 4  # of a slice: each may end with a page that is not full
_WASTE_FREE, _WASTE_PART = (
    1,
    50,
)  # pages with none of ours that are put up with, and runs found for each further one
_IN_A_ROW = 100  # runs that are answered before others get their turn
_SKEW_MS = 60_000  # clocks differ


class Slice(NamedTuple):
    """A span of time, in milliseconds since 1970 or open at one end, and the runs of ours that were made in it."""

    from_ms: int | None
    to_ms: int | None
    wanted: frozenset[str]


class Listings:
    """The active runs that lists have shown in the last seconds, by account."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Account], tuple[float, dict[str, Run]]] = {}

    def of(self, agent: AsyncAgent[Any], account: Account) -> Mapping[str, Run]:
        """Return what is known of an account's runs, by id; empty if that is too old."""
        began_s, runs = self._kept.get(
            (id(asyncio.get_running_loop()), account), (float("-inf"), {})
        )
        return runs if agent.clock.monotonic() - began_s < agent.poll_fresh_s else {}

    def keep(
        self, agent: AsyncAgent[Any], account: Account, runs: dict[str, Run], began_s: float
    ) -> None:
        """Keep what a list has shown, for as long as answers are fresh."""
        if agent.poll_fresh_s <= 0:
            return
        loop = asyncio.get_running_loop()
        key, kept = (id(loop), account), (began_s, runs)
        self._kept[key] = kept
        loop.call_later(agent.poll_fresh_s, self._drop, key, kept)

    def _drop(self, key: tuple[int, Account], kept: tuple[float, dict[str, Run]]) -> None:
        if self._kept.get(key) is kept:
            del self._kept[key]


async def poll_all(
    agent: AsyncAgent[Any], metas: Sequence[DatabricksJobMeta], listings: Listings
) -> list[Resource | Exception]:
    """Return what :func:`flyte_agent_databricks.polling.poll` would for each run of one account."""
    account = metas[0].account
    found = dict(listings.of(agent, account))
    missing = [meta for meta in metas if meta.kind != "statement" and meta.run_id not in found]
    if len(missing) >= LIST_FROM:
        began_s = agent.clock.monotonic()
        listed = await _listed(Calls(agent, account), missing)
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
    Return the slices in which the runs were made, the newest first.

    There are no gaps between them, and the newest has no end, so that it does not matter whether clocks agree.
    """
    ours = sorted(
        ((meta.start_ms or round(meta.created_s * 1000), meta.run_id) for meta in metas),
        reverse=True,
    )
    pages = -(-len(ours) // PAGE)
    count = max(1, min(AT_ONCE, pages // _LEAST_PAGES))
    each = -(-pages // count) * PAGE
    made: list[Slice] = []
    to_ms: int | None = None
    for start in range(0, len(ours), each):
        some = ours[start : start + each]
        is_last = start + each >= len(ours)
        from_ms = max(0, some[-1][0] - _SKEW_MS) if is_last else some[-1][0]
        made.append(Slice(from_ms, to_ms, frozenset(run_id for _, run_id in some)))
        to_ms = from_ms - 1
    return made


async def _listed(calls: Calls, metas: Sequence[DatabricksJobMeta]) -> dict[str, Run]:
    """Return the active runs that the list has shown, of ours."""
    wanted = frozenset(meta.run_id for meta in metas)
    found: dict[str, Run] = {}
    await asyncio.gather(*(_read(calls, part, wanted, found) for part in slices_of(metas)))
    return found


async def _read(calls: Calls, part: Slice, wanted: frozenset[str], found: dict[str, Run]) -> None:
    """Read a slice until its runs are there, it ends, or it costs more than asking."""
    token, wasted, useful = "", 0, 0
    with contextlib.suppress(AgentError):
        # Each run that is not found is asked for by itself, and says what is wrong.
        while wasted <= _WASTE_FREE + useful // _WASTE_PART:
            page = await calls.active(token, part.from_ms, part.to_ms)
            ours = [run for run in map(Run, dicts(page.get("runs"))) if run.run_id in wanted]
            found.update((run.run_id, run) for run in ours)
            useful += len(ours)
            wasted += not ours
            token = str(page.get("next_page_token") or "")
            if not token or found.keys() >= part.wanted:
                return
