"""
Listings that several sensors share.

Sensors of one folder arrive together. One listing of what their prefixes have in common is tried
first, with as many pages as listing each prefix would take at least; what it does not reach is
listed by itself. So sharing never costs more than twice what not sharing would.
"""

from __future__ import annotations

import asyncio
import bisect
from typing import TYPE_CHECKING

from flyte_agent_core import TaskError
from flyte_agent_core.errors import AgentError

from .address import common_start

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Mapping, Sequence

    from flyte_agent_core.clock import Clock

    from .calls import Calls
    from .objects import Seen

_APART_S = 600.0
"""For how long prefixes are listed apart after a common listing was too long or refused."""

_SLOW_S = 4.0
_SLOW_KEPT_S = 60.0
_SLOW_KEPT = 4
_LAST = "\U0010ffff"


class Listing:
    """
    The keys of a prefix, in S3's order, as far as they were read.

    Attributes:
        objects: What was read.
        is_complete: Whether that is all.
        pages: How many requests it took.
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.objects: list[Seen] = []
        self.is_complete = False
        self.pages = 0
        self._keys: list[str] | None = None

    def covers(self, prefix: str) -> bool:
        """Whether all keys of a prefix were read."""
        if not prefix.startswith(self.prefix):
            return False
        return self.is_complete or bool(self.objects and self.objects[-1].key > prefix + _LAST)

    def under(self, prefix: str) -> Sequence[Seen]:
        """Return the objects of a prefix."""
        if prefix == self.prefix:
            return self.objects
        if self._keys is None:
            self._keys = [seen.key for seen in self.objects]
        start = bisect.bisect_left(self._keys, prefix)
        return self.objects[start : bisect.bisect_right(self._keys, prefix + _LAST, lo=start)]


async def read(
    calls: Calls, bucket: str, prefix: str, max_pages: int, *, after: str = "", until: str = ""
) -> Listing:
    """
    Read a listing.

    Args:
        calls: As whom.
        bucket: Where.
        prefix: What keys begin with.
        max_pages: Pages at most.
        after: Keys up to this one are left out.
        until: Nothing behind this key is needed.
    """
    listing, token = Listing(prefix), ""
    while listing.pages < max_pages:
        page = await calls.list_page(bucket, prefix, token=token, after=after)
        listing.pages += 1
        listing.objects.extend(page.objects)
        token = page.token
        if not token or (until and listing.objects and listing.objects[-1].key >= until):
            listing.is_complete = True
            break
    # Directory buckets list without order: https://docs.aws.amazon.com/AmazonS3/latest/userguide/s3-express-differences.html
    listing.objects.sort(key=lambda seen: seen.key)
    return listing


class Listings:
    """What is remembered of listings: which ones to read apart, and slow ones for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart: dict[Hashable, float] = {}
        self._slow: dict[Hashable, tuple[float, Listing]] = {}

    async def read_all(
        self, calls: Calls, place: Hashable, bucket: str, wanted: Mapping[str, int]
    ) -> dict[str, Listing | Exception]:
        """
        Return a listing, or what went wrong, for each prefix.

        Args:
            calls: As whom.
            place: What tells this account and bucket from others.
            bucket: Where.
            wanted: Pages at most, by prefix.
        """
        root_of = _roots(wanted)
        roots = list(dict.fromkeys(root_of.values()))
        found: dict[str, Listing | Exception] = {}
        common = await self._common(calls, place, bucket, roots) if len(roots) > 1 else None
        if common is not None:
            found.update({p: common for p in roots if common.covers(p)})
        left = [p for p in roots if p not in found]
        pages: dict[str, int] = {}
        for prefix, most in wanted.items():
            pages[root_of[prefix]] = max(most, pages.get(root_of[prefix], 0))
        read_now = await asyncio.gather(
            *(self._one(calls, place, bucket, p, pages[p]) for p in left), return_exceptions=True
        )
        for prefix, listing in zip(left, read_now, strict=True):
            found[prefix] = _expected(listing)
        return {prefix: found[root] for prefix, root in root_of.items()}

    async def _common(
        self, calls: Calls, place: Hashable, bucket: str, roots: Sequence[str]
    ) -> Listing | None:
        prefix = common_start(roots)
        now_s = self._clock.monotonic()
        if not prefix or self._apart.get((place, prefix), now_s) > now_s:
            return None
        try:
            listing = await read(calls, bucket, prefix, len(roots))
        except AgentError:  # a policy may allow the single prefixes only
            listing = None
        if listing is None or not all(map(listing.covers, roots)):
            self._note_apart((place, prefix), now_s + _APART_S)
        return listing

    def _note_apart(self, name: Hashable, until_s: float) -> None:
        now_s = self._clock.monotonic()
        self._apart = {n: until for n, until in self._apart.items() if until > now_s}
        self._apart[name] = until_s

    async def _one(
        self, calls: Calls, place: Hashable, bucket: str, prefix: str, max_pages: int
    ) -> Listing:
        name, started_s = (place, prefix, max_pages), self._clock.monotonic()
        kept_s, kept = self._slow.get(name, (0.0, None))
        if kept is not None and started_s < kept_s + _SLOW_KEPT_S:
            return kept
        listing = await read(calls, bucket, prefix, max_pages)
        # A poll that could not wait for the end finds the result the next time.
        ended_s = self._clock.monotonic()
        self._slow.pop(name, None)
        if ended_s - started_s >= _SLOW_S:
            self._slow[name] = (ended_s, listing)
            while len(self._slow) > _SLOW_KEPT:
                self._slow.pop(next(iter(self._slow)))
        return listing


def _roots(prefixes: Iterable[str]) -> dict[str, str]:
    """Return for each prefix the shortest one that it begins with."""
    made: dict[str, str] = {}
    root: str | None = None
    for prefix in sorted(prefixes):  # what a prefix begins with stands before it
        if root is None or not prefix.startswith(root):
            root = prefix
        made[prefix] = root
    return made


def _expected(found: Listing | BaseException) -> Listing | Exception:
    if isinstance(found, BaseException) and not isinstance(found, Exception):
        raise found
    return found


def too_long(prefix: str, pages: int) -> TaskError:
    """Return the error for a prefix with more keys than may be read."""
    return TaskError(
        f"prefix: found more than {pages * 1000:,} keys that begin with {prefix[:300]!r}, which is as much as one "
        "look may read. Begin the pattern with more literal text, such as the day's folder, or raise max_pages.",
        code="S3.TOO_MANY_KEYS",
    )
