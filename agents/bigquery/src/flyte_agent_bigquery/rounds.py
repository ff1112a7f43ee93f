"""
Many jobs in few calls: the list of what runs, instead of one request for each job.

``jobs.list`` gives a thousand jobs a page. A round asks it for the account's running jobs; what is not among them
has ended, and is looked for among the finished ones or, when those are few, one by one. Where an account
runs many jobs that are not Flyte's, listing would cost more than asking, so the pages are counted.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError

from . import polling
from .calls import Calls
from .job import Job, dicts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flyte_agent_core import AsyncAgent, Resource

    from .meta import BigQueryJobMeta

LIST_FROM = 5
"""Fewer jobs than this are asked for one by one: a page of the list is the heavier answer."""

_JOBS_PER_PAGE = 40
"""A page is worth it if it spares this many requests."""

_EARLIER_S = 60.0  # clocks differ
_LIVE, _ENDED = ("pending", "running"), ("done",)


async def poll_all(
    agent: AsyncAgent[Any], metas: Sequence[BigQueryJobMeta]
) -> list[Resource | Exception]:
    """Return what :func:`flyte_agent_bigquery.polling.poll` would for each job of one account and project."""
    found: dict[tuple[str, str], Job] = {}
    if len(metas) >= LIST_FROM:
        await _list(agent, metas, _LIVE, found)
        if len(_missing(metas, found)) >= LIST_FROM:
            await _list(agent, _missing(metas, found), _ENDED, found)
    return list(
        await asyncio.gather(*(_one(agent, meta, found.get(_name(meta))) for meta in metas))
    )


async def _one(
    agent: AsyncAgent[Any], meta: BigQueryJobMeta, job: Job | None
) -> Resource | Exception:
    try:
        if job is None:
            return await polling.poll(agent, meta)
        return await polling.answer(agent, meta, job)
    except Exception as error:  # noqa: BLE001  # it concerns this job only
        return error


async def _list(
    agent: AsyncAgent[Any],
    metas: Sequence[BigQueryJobMeta],
    states: tuple[str, ...],
    found: dict[tuple[str, str], Job],
) -> None:
    """Add to ``found`` what the list has; stop when it has all, ends, fails, or costs more than asking."""
    calls, token = Calls(agent, metas[0].account), ""
    since_s = min(meta.created_s for meta in metas) - _EARLIER_S
    for _ in range(1 + len(metas) // _JOBS_PER_PAGE):
        try:
            page = await calls.jobs(metas[0].project, since_s, states, token)
        except AgentError:
            return  # each job is then asked for by itself, and says what is wrong
        for job in map(Job, dicts(page.get("jobs"))):
            found[job.ref.job_id, job.ref.location] = job
        token = page.get("nextPageToken", "")
        if not token or not _missing(metas, found):
            return


def _missing(
    metas: Sequence[BigQueryJobMeta], found: dict[tuple[str, str], Job]
) -> list[BigQueryJobMeta]:
    return [meta for meta in metas if _name(meta) not in found]


def _name(meta: BigQueryJobMeta) -> tuple[str, str]:
    return meta.job_id, meta.location
