"""
Many jobs in few calls: the list of what runs, instead of one request for each job.

``jobs.list`` gives a thousand jobs a page. A round asks it for the account's running jobs; what is not among them
has ended, and is looked for among the finished ones or, when those are few, one by one. Where an account
runs many jobs that are not Flyte's, listing would cost more than asking, so the pages are counted.

What a page shows of jobs that nobody has asked for yet is kept for a few seconds: a service that was just started
gets to know its jobs one poll after the other, and must not read the same pages again for each of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError

from . import polling
from .calls import Calls
from .job import Job, dicts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyte_agent_core import AsyncAgent, Resource

    from .account import Account
    from .meta import BigQueryJobMeta

LIST_FROM = 5
"""Fewer jobs than this are asked for one by one: a page of the list is the heavier answer."""

AT_ONCE = 8
"""Jobs of a round that are asked for one by one at the same time, on as many connections."""

_JOBS_PER_PAGE = 40
"""A page is worth it if it spares this many requests."""

_PAID_OFF = 10
"""As many pages are read at once the next time, if each has spared so many requests this time."""

_ACCOUNTS = 1000

_IN_A_ROW = 100
"""Jobs that are answered before others get their turn: ten thousand would take a second."""

_EARLIER_S = 60.0  # clocks differ
_LIVE, _ENDED = ("pending", "running"), ("done",)


class Listing:
    """
    The list of an account's jobs in a project, as far as it was read.

    Attributes:
        jobs: What it has shown, by id and location.
        since_s: Jobs made earlier are not in it.
        until_s: Nor are jobs made later: it was begun then.
        expected: Pages to read in any case.
    """

    expected = 0

    def __init__(
        self, calls: Calls, project: str, since_s: float, until_s: float, states: tuple[str, ...]
    ) -> None:
        self.jobs: dict[tuple[str, str], Job] = {}
        self.since_s, self.until_s = since_s, until_s
        self._calls, self._project, self._states = calls, project, states
        self._pages, self._token, self._ended = 0, "", False
        self._used: dict[tuple[str, str], int] = {}
        self._page_of: dict[tuple[str, str], int] = {}
        self._reading = asyncio.Lock()

    def may_have(self, metas: Sequence[BigQueryJobMeta]) -> list[BigQueryJobMeta]:
        """Return those of the jobs that were made in its time."""
        return [meta for meta in metas if self.since_s <= meta.created_s <= self.until_s]

    async def read_for(self, metas: Sequence[BigQueryJobMeta]) -> None:
        """
        Read on until these jobs are there, the list ends, or it costs more than asking.

        Raises:
            AgentError: It cannot be read.
        """
        async with self._reading:
            left = max(1 + len(metas) // _JOBS_PER_PAGE, self.expected - self._pages)
            missing = _missing(metas, self.jobs)
            while left > 0 and missing and not self._ended:
                await self._read_page()
                found, missing = len(missing), _missing(missing, self.jobs)
                left -= found == len(missing)  # a page with some of them pays for itself

    def take(self, metas: Sequence[BigQueryJobMeta]) -> dict[tuple[str, str], Job]:
        """Return those of the jobs that it has shown."""
        names = [name for name in map(_name, metas) if name in self.jobs]
        self._used.update((name, self._page_of[name]) for name in names)
        return {name: self.jobs[name] for name in names}

    def worth(self) -> int:
        """Return how many pages were needed for the jobs that were taken, if that was less than asking for each."""
        pages = max(self._used.values(), default=0)
        return pages if len(self._used) >= _PAID_OFF * pages else 0

    async def _read_page(self) -> None:
        page = await self._calls.jobs(self._project, self.since_s, self._states, self._token)
        self._pages += 1
        for job in map(Job, dicts(page.get("jobs"))):
            name = job.ref.job_id, job.ref.location
            self.jobs[name], self._page_of[name] = job, self._pages
        self._token = page.get("nextPageToken", "")
        self._ended = not self._token


class Listings:
    """The lists of running jobs that were read in the last seconds."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, Account, str], tuple[float, Listing]] = {}
        self._worth: dict[tuple[int, Account, str], int] = {}

    def of(self, agent: AsyncAgent[Any], metas: Sequence[BigQueryJobMeta]) -> Listing:
        """Return the list for these jobs of one account and project, a fresh one if there is none."""
        now_s, key = agent.clock.monotonic(), _key(metas)
        began_s, listing = self._kept.get(key, (float("-inf"), None))
        made_since = len(metas) - len(listing.may_have(metas)) if listing else 0
        if listing and now_s - began_s < agent.poll_fresh_s and made_since < LIST_FROM:
            return listing
        expected = listing.worth() if listing else self._worth.pop(key, 0)
        listing = _listing(agent, metas, _LIVE)
        listing.expected = expected
        if agent.poll_fresh_s > 0:
            self._kept[key] = kept = (now_s, listing)
            asyncio.get_running_loop().call_later(agent.poll_fresh_s, self._drop, key, kept)
        return listing

    def shown(
        self, agent: AsyncAgent[Any], metas: Sequence[BigQueryJobMeta]
    ) -> dict[tuple[str, str], Job]:
        """Return those of the jobs that the list, if it is fresh, has shown already."""
        began_s, listing = self._kept.get(_key(metas), (float("-inf"), None))
        if listing is None or agent.clock.monotonic() - began_s >= agent.poll_fresh_s:
            return {}
        return listing.take(metas)

    def _drop(self, key: tuple[int, Account, str], kept: tuple[float, Listing]) -> None:
        if self._kept.get(key) is kept:
            del self._kept[key]
            if len(self._worth) < _ACCOUNTS:
                self._worth[key] = kept[1].worth()


async def poll_all(
    agent: AsyncAgent[Any], metas: Sequence[BigQueryJobMeta], listings: Listings
) -> list[Resource | Exception]:
    """Return what :func:`flyte_agent_bigquery.polling.poll` would for each job of one account and project."""
    found = listings.shown(agent, metas)
    if len(_missing(metas, found)) >= LIST_FROM:
        listing = listings.of(agent, metas)
        found = await _listed(listing, metas)
        missing = _missing(listing.may_have(metas), found)
        if len(missing) >= LIST_FROM:
            found.update(await _listed(_listing(agent, missing, _ENDED), missing))
    places = asyncio.Semaphore(AT_ONCE)
    answers: list[Resource | Exception] = []
    for start in range(0, len(metas), _IN_A_ROW):
        some = metas[start : start + _IN_A_ROW]
        answers += await asyncio.gather(
            *(_one(agent, meta, found.get(_name(meta)), places) for meta in some)
        )
    return answers


async def _one(
    agent: AsyncAgent[Any], meta: BigQueryJobMeta, job: Job | None, places: asyncio.Semaphore
) -> Resource | Exception:
    try:
        if job is None:
            async with places:
                return await polling.poll(agent, meta)
        return await polling.answer(agent, meta, job)
    except Exception as error:  # noqa: BLE001  # it concerns this job only
        return error


async def _listed(listing: Listing, metas: Sequence[BigQueryJobMeta]) -> dict[tuple[str, str], Job]:
    """Return those of the jobs that the list has."""
    with contextlib.suppress(AgentError):
        # Each job that it lacks is then asked for by itself, and says what is wrong.
        await listing.read_for(metas)
    return listing.take(metas)


def _listing(
    agent: AsyncAgent[Any], metas: Sequence[BigQueryJobMeta], states: tuple[str, ...]
) -> Listing:
    calls, now_s = Calls(agent, metas[0].account), agent.clock.time()
    since_s = min(meta.created_s for meta in metas) - _EARLIER_S
    return Listing(calls, metas[0].project, since_s, now_s, states)


def _key(metas: Sequence[BigQueryJobMeta]) -> tuple[int, Account, str]:
    return id(asyncio.get_running_loop()), metas[0].account, metas[0].project


def _missing(
    metas: Sequence[BigQueryJobMeta], found: Mapping[tuple[str, str], Job]
) -> list[BigQueryJobMeta]:
    return [meta for meta in metas if _name(meta) not in found]


def _name(meta: BigQueryJobMeta) -> tuple[str, str]:
    return meta.job_id, meta.location
