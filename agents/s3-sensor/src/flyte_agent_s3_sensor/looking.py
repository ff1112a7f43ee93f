"""
One look at S3 for all sensors that were asked about together.

Literal keys are asked for with HEAD, everything else is listed from its longest literal beginning.
A HEAD costs 12.5 times less than a page of a listing, so a listing answers for keys only where one
sensor waits for so many of a folder that it is the cheaper way.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from flyte_agent_core import AgentError, TaskError

from . import conditions
from .address import common_start, folder_of
from .calls import Calls
from .conditions import Verdict
from .cost import pages_worth, usd
from .diagnosis import FORBIDDEN, Diagnosis
from .listing import Listing, Listings, read, too_long
from .manifest import LIMIT_BYTES, Entry, parse
from .patterns import matcher, wildcard_regex

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable, Sequence

    from flyte_agent_core import AsyncAgent

    from .config import SensorRequest
    from .meta import S3SensorMeta
    from .objects import Seen

T = TypeVar("T")

MOST_HEADS = 1000
"""Objects of a prefix that are asked for one by one in one look, at most."""

_IN_THREAD_FROM = 2000
_UNVERSIONED_S = 600.0
_MANIFESTS = 256


class Eyes:
    """What is kept from one look to the next; all of it can be lost without harm."""

    def __init__(self, agent: AsyncAgent[S3SensorMeta]) -> None:
        self.agent = agent
        self.listings = Listings(agent.clock)
        self.diagnosis = Diagnosis(agent.clock)
        self._unversioned: dict[Hashable, float] = {}
        self._manifests: OrderedDict[Hashable, list[Entry]] = OrderedDict()

    def keeps_versions(self, place: Hashable) -> bool:
        """Whether a HEAD may tell a version id; one that did not counts for a while."""
        return self._unversioned.get(place, float("-inf")) < self.agent.clock.monotonic()

    def note_version(self, place: Hashable, seen: Seen) -> None:
        """Note what a HEAD said of a bucket's versions."""
        if seen.version_id is None:
            if len(self._unversioned) > _MANIFESTS:
                self._unversioned.clear()
            self._unversioned[place] = self.agent.clock.monotonic() + _UNVERSIONED_S

    async def manifest(self, calls: Calls, place: Hashable, bucket: str, seen: Seen) -> list[Entry]:
        """Return what a manifest lists; the same one is read once."""
        name = (place, seen.key, seen.etag, seen.modified_s)
        if name not in self._manifests:
            data = await calls.read(bucket, seen.key, LIMIT_BYTES)
            self._manifests[name] = parse(data, bucket, seen.key)
            while len(self._manifests) > _MANIFESTS:
                self._manifests.popitem(last=False)
        return self._manifests[name]


class Look:
    """
    One look: each request is made once, whoever needs its answer.

    Attributes:
        now_s: Seconds since 1970 at its beginning.
        heads: Requests of HEAD and GET so far.
        lists: Requests of LIST so far.
    """

    def __init__(self, eyes: Eyes, meta: S3SensorMeta) -> None:
        account = meta.account
        self._eyes = eyes
        self._calls = Calls(eyes.agent, account)
        self._bucket = meta.request.bucket
        self._place: Hashable = (account, self._bucket)
        self._asked: dict[str, asyncio.Future[Any]] = {}
        self._listed: dict[str, Listing | Exception] = {}
        self.now_s = eyes.agent.clock.time()
        self.heads = self.lists = 0

    @property
    def usd(self) -> float:
        """What it has cost so far."""
        return usd(self.heads, self.lists)

    async def list_for(self, requests: Sequence[SensorRequest]) -> None:
        """List what these need, once for all of them."""
        wanted: dict[str, int] = {}
        for request in requests:
            if not request.is_literal:
                wanted[request.start] = max(request.max_pages, wanted.get(request.start, 0))
        if wanted:
            self._listed = await self._eyes.listings.read_all(
                self._calls, self._place, self._bucket, wanted
            )
            read_now = {
                id(each): each for each in self._listed.values() if isinstance(each, Listing)
            }
            self.lists += sum(listing.pages for listing in read_now.values())

    async def verdict(self, request: SensorRequest) -> Verdict:
        """
        Return whether the condition of a sensor holds.

        Raises:
            AgentError: It could not be seen.
        """
        # Requests come from a cache, so those of equal sensors are one.
        return await self._once(f"\x03{id(request)}", lambda: self._judged(request))

    async def _judged(self, request: SensorRequest) -> Verdict:
        if request.manifest:
            found = await self._by_manifest(request)
        elif request.is_literal:
            found = await self._by_keys(request)
        else:
            found = await self._by_listing(request)
        return found if found.missing else await self._pinned(request, found)

    # -- literal keys -------------------------------------------------------------------------------------------

    async def _by_keys(self, request: SensorRequest) -> Verdict:
        found = await self._objects(request, request.keys)
        there = [seen for seen in found.values() if seen is not None]
        misfits = {s.key: conditions.misfit(request, s, self.now_s) for s in there}
        good = [seen for seen in there if not misfits[seen.key]]
        if request.where.needs_head:
            said = await asyncio.gather(*(self._head_misfit(request, seen) for seen in good))
            misfits.update({s.key: text for s, text in zip(good, said, strict=True)})
        return conditions.of_keys(request, found, misfits, self.now_s)

    async def _by_manifest(self, request: SensorRequest) -> Verdict:
        key = request.keys[0]
        seen = await self._head(request, key)
        if seen is None:
            return Verdict("the manifest is not there yet")
        late = conditions.misfit(request, seen, self.now_s)
        if late:
            return Verdict(f"the manifest: {late}")
        self.heads += 1
        entries = await self._eyes.manifest(self._calls, self._place, self._bucket, seen)
        found = await self._objects(request, [entry.key for entry in entries])
        verdict = conditions.of_manifest(entries, found)
        late = conditions.unsettled(request, verdict.objects, self.now_s)
        return verdict if verdict.missing or not late else verdict._replace(missing=late)

    async def _objects(self, request: SensorRequest, keys: Sequence[str]) -> dict[str, Seen | None]:
        """Return the object of each key, in the cheaper of two ways."""
        known = await self._listed_keys(keys)
        asked = [key for key in keys if key not in known]
        seen = await asyncio.gather(*(self._head(request, key) for key in asked))
        answers = {**known, **dict(zip(asked, seen, strict=True))}
        return {key: answers[key] for key in keys}

    async def _listed_keys(self, keys: Sequence[str]) -> dict[str, Seen | None]:
        """Return what a listing says of keys, as far as it costs less than asking for each."""
        pages = pages_worth(len(keys))
        ordered = sorted(keys)
        prefix = folder_of(common_start(keys))
        if not pages or not prefix:
            return {}
        name = f"\x00{prefix}\x00{ordered[0]}\x00{ordered[-1]}"
        listing = await self._once(
            name, lambda: self._read(prefix, pages, after=_before(ordered[0]), until=ordered[-1])
        )
        if listing is None:
            return {}
        last = "" if listing.is_complete or not listing.objects else listing.objects[-1].key
        found = {seen.key: seen for seen in listing.objects}
        return {key: found.get(key) for key in keys if listing.is_complete or key <= last}

    async def _read(self, prefix: str, pages: int, *, after: str, until: str) -> Listing | None:
        try:
            listing = await read(self._calls, self._bucket, prefix, pages, after=after, until=until)
        except AgentError:  # each key is then asked for, and says what is wrong
            self.lists += 1
            return None
        self.lists += listing.pages
        return listing

    # -- prefixes and patterns ----------------------------------------------------------------------------------

    async def _by_listing(self, request: SensorRequest) -> Verdict:
        listing = self._listed[request.start]
        if isinstance(listing, Exception):
            raise listing
        found = await self._match(request, listing)
        marker = _marker(request)
        found = [seen for seen in found if seen.key != marker] if marker else found
        good = await self._fitting(request, found)
        verdict = conditions.of_listing(request, found, good, self.now_s)
        if not listing.is_complete and (verdict.missing or _needs_all(request)):
            raise too_long(request.start, listing.pages)
        if marker and not verdict.missing and await self._head(request, marker) is None:
            return verdict._replace(missing=f"the marker {marker[-200:]!r} is not there yet")
        return verdict

    async def _match(self, request: SensorRequest, listing: Listing) -> Sequence[Seen]:
        if request.wildcard is None and request.regex is None:
            return listing.under(request.start)
        regex = request.regex if request.wildcard is None else wildcard_regex(request.wildcard)
        candidates = listing.under(request.start)
        name = f"\x02{request.start}\x02{regex}"
        return await self._once(name, lambda: self._matching(regex or "", candidates))

    async def _matching(self, regex: str, candidates: Sequence[Seen]) -> Sequence[Seen]:
        fits = matcher(regex)
        if len(candidates) < _IN_THREAD_FROM:
            return _fitting(fits, candidates)
        return await self._eyes.agent.blocking(_fitting, fits, candidates)

    async def _fitting(self, request: SensorRequest, found: Sequence[Seen]) -> Sequence[Seen]:
        good = [seen for seen in found if not conditions.misfit(request, seen, self.now_s)]
        if not request.where.needs_head or not good:
            return good
        if len(good) > MOST_HEADS:
            raise TaskError(
                f"where: found {len(good):,} objects that each need a request of their own (content_type, metadata, "
                f"tags), expected at most {MOST_HEADS:,}. Narrow the prefix or pattern.",
                code="S3.TOO_MANY_KEYS",
            )
        said = await asyncio.gather(*(self._listed_misfit(request, seen) for seen in good))
        return [seen for seen, text in zip(good, said, strict=True) if not text]

    async def _listed_misfit(self, request: SensorRequest, listed: Seen) -> str:
        whole = await self._head(request, listed.key)
        return "gone" if whole is None else await self._head_misfit(request, whole)

    async def _head_misfit(self, request: SensorRequest, seen: Seen) -> str:
        whole = seen if seen.is_whole else await self._head(request, seen.key)
        if whole is None:
            return "gone"
        tags = None
        if request.where.tags:
            tags = await self._once(f"\x01{seen.key}", lambda: self._tags(seen.key))
        return conditions.head_misfit(request, whole, tags)

    async def _tags(self, key: str) -> dict[str, str]:
        self.heads += 1
        return await self._calls.tags(self._bucket, key)

    # -- what was seen ------------------------------------------------------------------------------------------

    async def _pinned(self, request: SensorRequest, verdict: Verdict) -> Verdict:
        """Name the versions of what is given to the next task, which may read it much later."""
        if request.output == "none" or request.wait_for == "deleted":
            return verdict
        objects = verdict.objects
        if request.output in ("file", "object"):
            objects = sorted(objects, key=lambda seen: (seen.modified_s, seen.key))[-1:]
        if request.output in ("files", "objects") and len(objects) > MOST_HEADS:
            raise TaskError(
                f"output: found {len(objects):,} objects, expected at most {MOST_HEADS:,} in a list. Take "
                "output=S3Found, or None and pass the prefix on.",
                code="S3.TOO_MANY_KEYS",
            )
        pinned: Sequence[Seen | None] = objects[:MOST_HEADS]
        if request.pin:
            pinned = await self._pin_all(objects[:MOST_HEADS], request)
        for listed, seen in zip(objects, pinned, strict=False):
            if seen is None or seen.etag != listed.etag:
                return verdict._replace(
                    missing=f"{listed.key[-200:]!r} changed while it was looked at"
                )
        return verdict._replace(objects=[*(s for s in pinned if s), *objects[MOST_HEADS:]])

    async def _pin_all(
        self, objects: Sequence[Seen], request: SensorRequest
    ) -> Sequence[Seen | None]:
        if not objects or objects[0].is_whole:
            return objects
        first = await self._pin(request, objects[0])
        rest = await asyncio.gather(*(self._pin(request, seen) for seen in objects[1:]))
        return [first, *rest]

    async def _pin(self, request: SensorRequest, seen: Seen) -> Seen | None:
        if seen.is_whole or not self._eyes.keeps_versions(self._place):
            return seen
        return await self._head(request, seen.key)

    # -- requests -----------------------------------------------------------------------------------------------

    async def _head(self, request: SensorRequest, key: str) -> Seen | None:
        return await self._once(key, lambda: self._ask(key, is_missing=request.missing_on_403))

    async def _ask(self, key: str, *, is_missing: bool) -> Seen | None:
        self.heads += 1
        eyes, calls, place, bucket = self._eyes, self._calls, self._place, self._bucket
        try:
            seen = await calls.head(bucket, key)
        except AgentError as error:
            if error.code not in FORBIDDEN:
                raise
            await eyes.diagnosis.explain_403(
                calls, place, bucket, key, error, is_missing=is_missing
            )
            return None
        if seen is None:
            await eyes.diagnosis.check_bucket(calls, place, bucket)
        else:
            eyes.note_version(place, seen)
        return seen

    async def _once(self, name: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        future = self._asked.get(name)
        if future is None:
            future = self._asked[name] = asyncio.ensure_future(ask())
        answer: T = await future
        return answer


def _fitting(fits: Callable[[str], bool], candidates: Sequence[Seen]) -> Sequence[Seen]:
    return [seen for seen in candidates if fits(seen.key)]


def _before(key: str) -> str:
    """Return a key that stands before ``key`` with little between; listings begin behind it."""
    return key[:-1]


def _marker(request: SensorRequest) -> str | None:
    if request.marker is None or not request.marker.startswith("./"):
        return request.marker
    return folder_of(request.start) + request.marker[2:]


def _needs_all(request: SensorRequest) -> bool:
    """Whether the keys that were not read could change the answer."""
    of_all = request.settled_s is not None or request.wait_for == "deleted"
    return of_all or request.output != "none"
