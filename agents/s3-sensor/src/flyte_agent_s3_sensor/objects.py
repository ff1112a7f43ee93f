"""Objects as a sensor sees them, and as it gives them to the next task."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .address import uri_of


class Seen(NamedTuple):
    """
    One object in a listing or an answer to HEAD.

    Attributes:
        modified_s: Seconds since 1970 of the last change.
        version_id: Of the version that was seen; a listing does not tell.
        content_type: A listing does not tell this and the next one either.
        is_whole: Whether HEAD was asked.
    """

    key: str
    size_bytes: int
    etag: str
    modified_s: float
    storage_class: str = "STANDARD"
    version_id: str | None = None
    content_type: str | None = None
    metadata: Mapping[str, str] = {}
    is_whole: bool = False


@dataclass
class S3Object:
    """
    An object as a sensor saw it.

    Attributes:
        uri: ``s3://bucket/key``; of a bucket with versions it names the one that was seen.
        etag: Without quotes; the same for the same content, except for large uploads in parts.
        version_id: ``None`` where the bucket keeps no versions.
    """

    uri: str
    bucket: str
    key: str
    size_bytes: int
    etag: str
    last_modified: dt.datetime
    version_id: str | None = None
    storage_class: str = "STANDARD"


@dataclass
class S3Found:
    """
    What a sensor found.

    Attributes:
        satisfied: Whether it was what the sensor waited for; only ``on_timeout="report"`` gives one
            that was not.
        objects: The objects that count, in the order of their keys; at most a thousand.
        count: How many there are.
        total_bytes: Their size together.
        reason: What was missing; empty when nothing was.
    """

    satisfied: bool
    objects: list[S3Object] = field(default_factory=list)
    count: int = 0
    total_bytes: int = 0
    reason: str = ""


def object_of(bucket: str, seen: Seen, *, pin: bool = True) -> S3Object:
    """Return an object for the next task; ``pin`` has the address name the version that was seen."""
    return S3Object(
        uri=uri_of(bucket, seen.key, seen.version_id if pin else None),
        bucket=bucket,
        key=seen.key,
        size_bytes=seen.size_bytes,
        etag=seen.etag,
        last_modified=dt.datetime.fromtimestamp(seen.modified_s, tz=dt.timezone.utc),
        version_id=seen.version_id,
        storage_class=seen.storage_class,
    )


def time_text(seconds: float) -> str:
    """Return a moment as people write it, in UTC."""
    moment = dt.datetime.fromtimestamp(int(seconds), tz=dt.timezone.utc)
    return f"{moment.replace(tzinfo=None).isoformat(' ')} UTC"


def size_text(size_bytes: int) -> str:
    """Return a size as people write it."""
    size = float(size_bytes)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024 or unit == "TiB":
            break
        size /= 1024
    return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
