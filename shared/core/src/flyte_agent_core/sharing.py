"""
Polls that arrive together become one call of the vendor.

Propeller asks for each job by itself. An agent whose vendor can tell of many jobs at once
implements ``get_many``, and this module gathers: polls of the same group that arrive within a
moment, and every other job of the group whose last answer has grown old, go into one round. Its
answers serve the polls that come while they are fresh.
"""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import hashlib
import json
import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from . import observe, rpc
from .errors import ProtocolError
from .meta import digest

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from .agent import AsyncAgent
    from .meta import JobMeta
    from .resource import Resource

GATHER_S = 0.01
"""How long the first poll of a round waits for others."""

QUEUE_S = 0.5
"""How long it waits, at most, for the round before to be answered: one big round, not many small."""

_ROUND_BUDGET_S = 20.0
_KEY = os.urandom(16)  # a digest of a short secret could be guessed
_FORGOTTEN_AFTER_S = 300.0
"""A job nobody has asked for since then is no longer asked for along with others."""


def _caller() -> bytes:
    """
    Return what tells callers apart who sent secrets along; empty for all who did not.

    One's secrets must not ask for another's jobs. Only a digest is kept.
    """
    call = rpc.current()
    if call is None or not call.connection:
        return b""
    pairs = json.dumps(sorted(call.connection.items())).encode()
    return hashlib.blake2b(pairs, digest_size=16, key=_KEY).digest()


@dataclasses.dataclass
class _Known:
    """A job that is being polled, and the last answer about it."""

    meta: JobMeta
    asked_s: float
    answered_s: float = float("-inf")
    answer: Resource | Exception | None = None
    asked_in: _Round | None = None  # the round that is asking for it now


class _Round:
    """One call of ``get_many``: the jobs it is for, and who waits for it."""

    def __init__(self, place: tuple[int, Hashable]) -> None:
        self.place = place
        self.metas: dict[bytes, JobMeta] = {}
        self.open = True
        self.done: asyncio.Future[None]


class Sharing:
    """
    The rounds of one agent.

    Attributes:
        rounds: Calls of ``get_many`` so far.
        polls: Polls answered by them.
    """

    def __init__(self, most_jobs: int = 50_000) -> None:
        self._most = most_jobs
        self._known: dict[Hashable, OrderedDict[bytes, _Known]] = {}
        self._rounds: dict[tuple[int, Hashable], _Round] = {}
        self._asking: dict[tuple[int, Hashable], _Round] = {}
        self.rounds = 0
        self.polls = 0

    async def poll(self, agent: AsyncAgent[Any], meta: JobMeta) -> Resource:
        """Return the answer about one job; raises what ``get_many`` raised, or said of it."""
        group = (agent.poll_group(meta), _caller())
        name = digest(meta)
        known = self._note(agent, group, name, meta)
        self.polls += 1
        if agent.clock.monotonic() - known.answered_s >= agent.poll_fresh_s:
            await self._join(agent, group, name, known)
        return _delivered(known, agent)

    def _note(self, agent: AsyncAgent[Any], group: Hashable, name: bytes, meta: JobMeta) -> _Known:
        jobs = self._known.setdefault(group, OrderedDict())
        now_s = agent.clock.monotonic()
        known = jobs.setdefault(name, _Known(meta, now_s))
        known.asked_s = now_s
        jobs.move_to_end(name)
        while len(jobs) > self._most:
            jobs.popitem(last=False)
        return known

    async def _join(
        self, agent: AsyncAgent[Any], group: Hashable, name: bytes, known: _Known
    ) -> None:
        place = (id(asyncio.get_running_loop()), group)
        if known.asked_in is not None and known.asked_in.place == place:
            await asyncio.shield(known.asked_in.done)
            return
        round_ = self._rounds.get(place)
        if round_ is None or not round_.open:
            round_ = self._rounds[place] = _Round(place)
            round_.done = asyncio.ensure_future(self._run(agent, place, round_))
        round_.metas[name] = known.meta
        await asyncio.shield(round_.done)

    async def _run(
        self, agent: AsyncAgent[Any], place: tuple[int, Hashable], round_: _Round
    ) -> None:
        await asyncio.sleep(GATHER_S)
        before = self._asking.get(place)
        if before is not None:
            await asyncio.wait({before.done}, timeout=QUEUE_S)
            # Who was answered polls again at once, and else would always miss this round.
            await asyncio.sleep(GATHER_S)
        round_.open = False
        if self._rounds.get(place) is round_:
            del self._rounds[place]
        jobs = self._known.get(place[1], OrderedDict())
        if agent.poll_fresh_s > 0:  # or nobody would get to see the answers
            round_.metas.update(self._grown_old(agent, jobs))
        self.rounds += 1
        observe.report(observe.Round(agent.served_type, len(round_.metas)))
        self._asking[place] = round_
        asked = [jobs[name] for name in round_.metas if name in jobs]
        for known in asked:
            known.asked_in = round_
        try:
            await self._answer(agent, jobs, round_)
        finally:
            for known in asked:
                known.asked_in = None
            if self._asking.get(place) is round_:
                del self._asking[place]
        self._forget(place[1], agent.clock.monotonic())

    async def _answer(
        self, agent: AsyncAgent[Any], jobs: OrderedDict[bytes, _Known], round_: _Round
    ) -> None:
        names = list(round_.metas)
        answers = await _ask(agent, list(round_.metas.values()))
        now_s = agent.clock.monotonic()
        for name, answer in zip(names, answers, strict=True):
            known = jobs.get(name)
            if known is not None:
                known.answer, known.answered_s = answer, now_s
                if not isinstance(answer, Exception) and answer.phase.is_terminal:
                    known.asked_s = float("-inf")  # not asked for along with others again

    def _forget(self, group: Hashable, now_s: float) -> None:
        """Drop the jobs that nobody asks for any more, those asked for longest ago first."""
        jobs = self._known.get(group, OrderedDict())
        while jobs and now_s - next(iter(jobs.values())).asked_s >= _FORGOTTEN_AFTER_S:
            jobs.popitem(last=False)
        if not jobs:
            self._known.pop(group, None)

    def _grown_old(
        self, agent: AsyncAgent[Any], jobs: OrderedDict[bytes, _Known]
    ) -> dict[bytes, JobMeta]:
        now_s = agent.clock.monotonic()
        return {
            name: known.meta
            for name, known in jobs.items()
            if known.asked_in is None
            and now_s - known.answered_s >= agent.poll_fresh_s
            and now_s - known.asked_s < _FORGOTTEN_AFTER_S
        }


async def _ask(agent: AsyncAgent[Any], metas: Sequence[JobMeta]) -> Sequence[Resource | Exception]:
    """Call ``get_many`` on its own time: those who wait have deadlines of their own."""
    call = rpc.current()  # of the poll that began the round; the others have the same connection
    try:
        with rpc.serving(_ROUND_BUDGET_S, connection=call.connection if call else None):
            answers: Sequence[Resource | Exception] = await agent.get_many(metas)
    except Exception as error:  # noqa: BLE001  # each poll of the round gets it, and its guard
        return [error] * len(metas)
    if len(answers) == len(metas):
        return answers
    said = f"get_many answered {len(answers)} of {len(metas)} jobs; it must answer each, in order"
    return [ProtocolError(said)] * len(metas)


def _delivered(known: _Known, agent: AsyncAgent[Any]) -> Resource:
    answer = known.answer
    if answer is None:
        raise ProtocolError(f"{agent.name}: a poll got no answer from its round")
    if isinstance(answer, Exception):
        known.answered_s = float("-inf")  # an error is not worth keeping
        raise answer
    return copy.copy(answer)
