"""
What 403 and 404 mean, which HEAD does not say.

Without ``s3:ListBucket`` S3 answers 403 for a key that is not there; with it, 404. And it answers
404 for a key of a bucket that is not there.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html#API_HeadObject_RequestSyntax
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from flyte_agent_core import AgentError, TaskError

from .address import uri_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from flyte_agent_core.clock import Clock

    from .calls import Calls

FORBIDDEN = frozenset({"S3.HTTP_403", "S3.ACCESS_DENIED"})
NO_BUCKET = "S3.NO_SUCH_BUCKET"

_KNOWN_S = 600.0
_BUCKETS = 10_000


class Diagnosis:
    """What is known of buckets, so that one answer serves all sensors for a while."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._there: OrderedDict[Hashable, float] = OrderedDict()
        self._unlisted: OrderedDict[Hashable, float] = OrderedDict()
        self._checking: dict[Hashable, asyncio.Future[None]] = {}

    async def check_bucket(self, calls: Calls, place: Hashable, bucket: str) -> None:
        """
        Find out, once in a while, whether a 404 is about the bucket.

        Raises:
            TaskError: The bucket is not there.
        """
        if self._is_known(self._there, place):
            return
        asked = self._checking.get(place)
        if asked is None:
            asked = asyncio.ensure_future(self._check(calls, place, bucket))
            self._checking[place] = asked
            asked.add_done_callback(lambda _: self._checking.pop(place, None))
        await asyncio.shield(asked)

    async def _check(self, calls: Calls, place: Hashable, bucket: str) -> None:
        try:
            await calls.head_bucket(bucket)
        except AgentError as error:
            if error.code in ("S3.HTTP_404", NO_BUCKET):
                raise TaskError(
                    f"S3 NoSuchBucket: there is no bucket {bucket[:100]!r}.\n"
                    "Check its name, and endpoint_url if it is not at AWS.",
                    code=NO_BUCKET,
                ) from error
        self._note(self._there, place)

    async def explain_403(
        self, calls: Calls, place: Hashable, bucket: str, key: str, error: AgentError,
        *, is_missing: bool,
    ) -> None:  # fmt: skip
        """
        Find out what "forbidden" means, with a listing of the key.

        Args:
            calls: As whom.
            place: What tells this account and bucket from others.
            bucket: Where.
            key: What HEAD was refused for.
            error: The refusal.
            is_missing: Whether the task takes it for "not there"; then nothing is raised for that.

        Raises:
            TaskError: It is refused, with what to do.
        """
        if is_missing and self._is_known(self._unlisted, place):
            return
        try:
            page = await calls.list_page(bucket, key, limit=1)
        except AgentError as refused:
            if refused.code not in FORBIDDEN:
                raise
            self._note(self._unlisted, place)
            if is_missing:
                return
            raise _neither(bucket, key, str(refused).partition("\n")[0]) from error
        there = any(seen.key == key for seen in page.objects)
        raise _unreadable(bucket, key, there=there) from error

    def _is_known(self, known: OrderedDict[Hashable, float], place: Hashable) -> bool:
        return known.get(place, float("-inf")) + _KNOWN_S > self._clock.monotonic()

    def _note(self, known: OrderedDict[Hashable, float], place: Hashable) -> None:
        known[place] = self._clock.monotonic()
        known.move_to_end(place)
        while len(known) > _BUCKETS:
            known.popitem(last=False)


def _arn(bucket: str, key: str = "") -> str:
    if bucket.startswith("arn:"):
        return f"{bucket}/object/{key}" if key else bucket
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def _neither(bucket: str, key: str, said: str) -> TaskError:
    return TaskError(
        f"{said.rstrip('.')}: {uri_of(bucket, key)[:300]} is denied, or is not there: without s3:ListBucket S3 "
        f"answers 403 to both.\nGrant s3:ListBucket on {_arn(bucket)}, then a missing key is told apart, and "
        f"s3:GetObject on {_arn(bucket, key)[:300]}. Or wait all the same: missing_on_403=True.",
        code="S3.ACCESS_DENIED",
    )


def _unreadable(bucket: str, key: str, *, there: bool) -> TaskError:
    what = (
        "is there, but may not be read"
        if there
        else "is not there, and could not be read if it were"
    )
    return TaskError(
        f"S3 AccessDenied: {uri_of(bucket, key)[:300]} {what}.\n"
        f"Grant s3:GetObject on {_arn(bucket, key)[:300]}"
        + (", and kms:Decrypt if it is encrypted with a key of KMS." if there else "."),
        code="S3.ACCESS_DENIED",
    )
