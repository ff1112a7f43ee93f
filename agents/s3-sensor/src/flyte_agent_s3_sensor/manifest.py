"""
Manifests: objects that list what must be there.

=================== ===========================================================================
``{"entries": …}``  of Redshift's UNLOAD: ``[{"url": "s3://…", "meta": {"content_length": 12}}]``
``{"files": …}``    of S3 Inventory: ``[{"key": "…", "size": 12}]``
``["…", …]``        keys or URIs
anything else       text, a key or URI on each line; ``#`` begins a comment
=================== ===========================================================================

Sources: https://docs.aws.amazon.com/redshift/latest/dg/loading-data-files-using-manifest.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core import TaskError

from .address import check_key, folder_of, split_uri

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT_BYTES = 1 << 20
LIMIT_ENTRIES = 10_000


class Entry(NamedTuple):
    """One object that must be there; ``size_bytes`` is ``None`` where the manifest does not say."""

    key: str
    size_bytes: int | None = None


def parse(data: bytes, bucket: str, key: str) -> list[Entry]:
    """
    Return what a manifest lists.

    Args:
        data: Its content.
        bucket: Where it is; it may list nothing of another bucket.
        key: Its own.

    Raises:
        TaskError: It is too large, empty, or of no form that is known.
    """
    if len(data) > LIMIT_BYTES:
        raise _wrong(key, f"more than {LIMIT_BYTES >> 20} MiB", "a smaller one")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _wrong(key, "bytes that are not UTF-8", "JSON or text") from None
    entries = [_entry(key, bucket, *found) for found in _raw(key, text)]
    if not entries:
        raise _wrong(key, "nothing", "at least one key")
    if len(entries) > LIMIT_ENTRIES:
        raise _wrong(key, f"{len(entries)} entries", f"at most {LIMIT_ENTRIES}")
    return list(dict.fromkeys(entries))


def _raw(key: str, text: str) -> Iterator[tuple[Any, Any]]:
    if text.lstrip()[:1] not in ("{", "["):
        lines = (line.strip() for line in text.splitlines())
        yield from ((line, None) for line in lines if line and not line.startswith("#"))
        return
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _wrong(key, "JSON that ends early or is not valid", "valid JSON") from None
    listed = found if isinstance(found, list) else found.get("entries", found.get("files"))
    if not isinstance(listed, list):
        raise _wrong(key, "JSON without 'entries' or 'files'", "one of these lists")
    for item in listed:
        yield _pair(item)


def _pair(item: Any) -> tuple[Any, Any]:
    if not isinstance(item, dict):
        return item, None
    inner = item.get("meta")
    size = inner.get("content_length") if isinstance(inner, dict) else item.get("size")
    return item.get("url", item.get("key")), size


def _entry(manifest: str, bucket: str, name: Any, size: Any) -> Entry:
    if not isinstance(name, str) or not name:
        raise _wrong(manifest, f"an entry {name!r}", "a key or URI")
    place = split_uri("manifest", name)
    if place.bucket not in ("", bucket):
        raise _wrong(
            manifest, f"an object of the bucket {place.bucket!r}", f"only those of {bucket!r}"
        )
    key = folder_of(manifest) + place.key[2:] if place.key.startswith("./") else place.key
    try:
        return Entry(check_key("manifest", key), None if size is None else int(size))
    except (TypeError, ValueError):
        raise _wrong(manifest, f"a size {size!r}", "a number of bytes") from None


def _wrong(key: str, found: str, expected: str) -> TaskError:
    return TaskError(
        f"manifest {key[:300]!r}: found {found}, expected {expected}.", code="S3.BAD_MANIFEST"
    )
