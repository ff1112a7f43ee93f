"""
Queues with notifications: they say when to look, HEAD and LIST say what is there.

One queue serves all sensors of a service. What a queue brings is told to every sensor of this
process that waits for it, and taken off the queue once one of them has looked. What no sensor here
waits for is given back at once, for other replicas, until it is old. So an event that is lost,
repeated, late or out of order delays a sensor until its next look by the clock, and does no more.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core import AgentError
from flyte_agent_core.meta import digest

from .calls import Calls
from .events import Event, UnknownMessageError, parse

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from flyte_agent_core import AsyncAgent

    from .config import SensorRequest
    from .config_parts import SqsEvents
    from .meta import S3SensorMeta
    from .queues import Message

_log = logging.getLogger("flyte_agent")

DRAIN_EVERY_S = 5.0
_BATCHES = 10
_AT_ONCE = 10
_HIDDEN_S = 120
_WAIT_S = 1
_EVENTS = 10_000
_COMPARED = 1000
"""So many events are compared with a prefix; if there are more, it is looked at."""

_WATCHED_S = 600.0


class _Held(NamedTuple):
    receipt: str
    events: list[Event]


class _Index:
    """Tells of many sensors at once whether an event concerns one of them."""

    def __init__(self, requests: Iterable[SensorRequest]) -> None:
        self._keys: set[tuple[str, str]] = set()
        rest: dict[tuple[object, ...], SensorRequest] = {}
        for request in requests:
            if request.is_literal and not request.manifest and not _is_access_point(request.bucket):
                self._keys.update((request.bucket, key) for key in request.keys)
            else:  # patterns that begin alike hear of the same events
                begins = (request.bucket, request.start, request.marker, tuple(request.keys))
                rest[begins] = request
        self._rest = list(rest.values())

    def has(self, event: Event) -> bool:
        """Whether somebody waits for it."""
        if any((event.bucket, key) in self._keys for key in event.keys):
            return True
        return _any_concerns(self._rest, [event])


class Feed:
    """
    One queue, as one account.

    Attributes:
        problem: Why nothing could be received the last time; empty if it could.
    """

    def __init__(self, calls: Calls, events: SqsEvents) -> None:
        self._calls = calls
        self._queue = events.queue_url
        self._keep_s = events.keep_s
        self._watched: OrderedDict[bytes, tuple[float, SensorRequest]] = OrderedDict()
        self._news: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._held: list[_Held] = []
        self._index = _Index(())
        self._drained_s = float("-inf")
        self._draining: asyncio.Future[None] | None = None
        self._warned = False
        self.problem = ""

    def watch(self, metas: Iterable[S3SensorMeta], now_s: float) -> None:
        """Note what sensors wait for; those nobody asks for any more are forgotten."""
        for meta in metas:
            name = digest(meta)
            self._watched[name] = (now_s, meta.request)
            self._watched.move_to_end(name)
        while self._watched and next(iter(self._watched.values()))[0] < now_s - _WATCHED_S:
            self._watched.popitem(last=False)

    def has_news(self, request: SensorRequest, since_s: float) -> bool:
        """Whether something happened to what a sensor waits for since its last look."""
        if request.is_literal and not _is_access_point(request.bucket) and not request.manifest:
            times = (self._news.get((request.bucket, key), since_s) for key in request.keys)
            return any(arrived_s > since_s for arrived_s in times)
        for checked, ((bucket, key), arrived_s) in enumerate(reversed(self._news.items())):
            if arrived_s <= since_s:
                return False
            if checked >= _COMPARED or concerns(request, bucket, key):
                return True
        return False

    async def drain(self, now_s: float) -> None:
        """Take what is in the queue, at most once in a few seconds however many ask."""
        if self._draining is None or self._draining.done():
            if now_s - self._drained_s < DRAIN_EVERY_S:
                return
            self._drained_s = now_s
            self._draining = asyncio.ensure_future(self._drain(now_s))
        await asyncio.shield(self._draining)

    async def settle(self, requests: Iterable[SensorRequest]) -> None:
        """Take off the queue what these sensors, which have just looked, were told."""
        wanted = list(requests) if self._held else []
        done = [held for held in self._held if _any_concerns(wanted, held.events)]
        if done:
            self._held = [held for held in self._held if held not in done]
            await self._safely_remove([held.receipt for held in done])

    async def _drain(self, now_s: float) -> None:
        self._index = _Index(request for _, request in self._watched.values())
        foreign: list[str] = []
        over: list[str] = []
        try:
            for batch in range(_BATCHES):
                wait_s = 0 if batch else _WAIT_S
                messages = await self._calls.receive(self._queue, hidden_s=_HIDDEN_S, wait_s=wait_s)
                for message in messages:
                    self._sort(message, now_s, foreign, over)
                if len(messages) < _AT_ONCE:
                    break
            self.problem = ""
            await self._in_tens(over, self._calls.remove)
            await self._in_tens(foreign, self._calls.give_back)
        except AgentError as error:
            self._note(error)

    def _sort(self, message: Message, now_s: float, foreign: list[str], over: list[str]) -> None:
        try:
            events = parse(message.body)
        except UnknownMessageError as error:
            self._warn_once(error)
            return
        fresh = [event for event in events if event.name not in self._seen]
        for event in fresh:
            self._remember(event, now_s)
        ours = [event for event in fresh if self._index.has(event)]
        if ours:
            self._note_seen(ours)
            self._held.append(_Held(message.receipt, fresh))
            del self._held[:-_EVENTS]
        elif fresh and now_s - min(event.happened_s for event in events) <= self._keep_s:
            foreign.append(message.receipt)
        else:  # empty, old, or a copy of what was told
            over.append(message.receipt)

    def _warn_once(self, error: Exception) -> None:
        if not self._warned:
            self._warned = True
            said = "%s: a message is no notification of a bucket, and stays: %s"
            _log.warning(said, self._queue, error)

    def _note_seen(self, events: Iterable[Event]) -> None:
        for event in events:
            self._seen[event.name] = None
        while len(self._seen) > _EVENTS:
            self._seen.popitem(last=False)

    def _remember(self, event: Event, now_s: float) -> None:
        for key in event.keys:
            self._news[event.bucket, key] = now_s
            self._news.move_to_end((event.bucket, key))
        while len(self._news) > _EVENTS:
            self._news.popitem(last=False)

    async def _safely_remove(self, receipts: list[str]) -> None:
        try:
            await self._in_tens(receipts, self._calls.remove)
        except AgentError as error:  # it comes again, and is then known
            self._note(error)

    async def _in_tens(self, receipts: Sequence[str], call: Any) -> None:
        for start in range(0, len(receipts), _AT_ONCE):
            await call(self._queue, receipts[start : start + _AT_ONCE])

    def _note(self, error: AgentError) -> None:
        self.problem = str(error).partition("\n")[0]
        _log.warning("%s: no events: %s", self._queue, self.problem)


class Feeds:
    """The queues of an agent's sensors."""

    def __init__(self, agent: AsyncAgent[S3SensorMeta]) -> None:
        self._agent = agent
        self._feeds: dict[Hashable, Feed] = {}

    def of(self, meta: S3SensorMeta) -> Feed | None:
        """Return the feed of a sensor, if it has a queue."""
        events = meta.request.events
        if events is None:
            return None
        name = (meta.account, events.queue_url)
        if name not in self._feeds:
            self._feeds[name] = Feed(Calls(self._agent, meta.account), events)
        return self._feeds[name]

    def _by_feed(self, metas: Iterable[S3SensorMeta]) -> dict[Feed, list[S3SensorMeta]]:
        found: dict[Feed, list[S3SensorMeta]] = {}
        for meta in metas:
            feed = self.of(meta)
            if feed is not None:
                found.setdefault(feed, []).append(meta)
        return found

    async def drain(self, metas: Sequence[S3SensorMeta]) -> None:
        """Take what the queues of these sensors hold."""
        now_s = self._agent.clock.time()
        for feed, own in self._by_feed(metas).items():
            feed.watch(own, now_s)
            await feed.drain(now_s)

    def has_news(self, meta: S3SensorMeta, since_s: float) -> bool:
        """Whether a queue told of something since a sensor's last look."""
        feed = self.of(meta)
        return feed is not None and feed.has_news(meta.request, since_s)

    async def settle(self, metas: Sequence[S3SensorMeta]) -> None:
        """Take off the queues what these sensors have looked at."""
        for feed, own in self._by_feed(metas).items():
            await feed.settle(meta.request for meta in own)

    def problem(self, meta: S3SensorMeta) -> str:
        """Return why a sensor gets no events; empty if it does."""
        feed = self.of(meta)
        return "" if feed is None else feed.problem


def concerns(request: SensorRequest, bucket: str, key: str) -> bool:
    """Whether what happened to a key may matter to a sensor."""
    # Of an access point the notification has the bucket's name.
    if bucket != request.bucket and not _is_access_point(request.bucket):
        return False
    if request.is_literal:
        return key in request.keys or request.manifest
    return key.startswith(request.start) or (
        request.marker is not None and key.endswith(request.marker.removeprefix("./"))
    )


def _is_access_point(bucket: str) -> bool:
    return bucket.startswith("arn:") or bucket.endswith("-s3alias")


def _any_concerns(requests: Iterable[SensorRequest], events: Sequence[Event]) -> bool:
    return any(
        concerns(request, event.bucket, key)
        for request in requests
        for event in events
        for key in event.keys
    )
