"""Whether what was seen is what a sensor waits for. Nothing here asks S3."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, NamedTuple

from .objects import size_text, time_text
from .templates import moment_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .config import SensorRequest
    from .manifest import Entry
    from .objects import Seen

_NAMED = 3


class Verdict(NamedTuple):
    """
    What was found.

    Attributes:
        missing: What is missing; empty when the condition holds.
        objects: The objects that count, in the order of their keys.
    """

    missing: str
    objects: Sequence[Seen] = ()


def misfit(request: SensorRequest, seen: Seen, now_s: float) -> str:
    """Return why an object does not count, from what a listing tells; empty if it does."""
    where, age_s = request.where, now_s - seen.modified_s
    if where.min_bytes is not None and seen.size_bytes < where.min_bytes:
        return f"{size_text(seen.size_bytes)}, expected at least {size_text(where.min_bytes)}"
    if where.max_bytes is not None and seen.size_bytes > where.max_bytes:
        return f"{size_text(seen.size_bytes)}, expected at most {size_text(where.max_bytes)}"
    if where.min_age_s is not None and age_s < where.min_age_s:
        return f"changed {age_s:.0f} s ago, expected at least {where.min_age_s:.0f} s"
    if where.max_age_s is not None and age_s > where.max_age_s:
        return f"changed {age_s:.0f} s ago, expected at most {where.max_age_s:.0f} s"
    if where.storage_class and seen.storage_class not in where.storage_class:
        return f"storage class {seen.storage_class}, expected {' or '.join(where.storage_class)}"
    return _too_old(request, seen)


def _too_old(request: SensorRequest, seen: Seen) -> str:
    if request.newer_than is not None:
        since_s = moment_of("newer_than", request.newer_than, {})
        if seen.modified_s <= since_s:
            return f"last changed {time_text(seen.modified_s)}, expected after {time_text(since_s)}"
    if request.changed_from and request.changed_from.strip('"') in (seen.etag, seen.version_id):
        return f"still the one with ETag {seen.etag}"
    return ""


def head_misfit(request: SensorRequest, seen: Seen, tags: Mapping[str, str] | None) -> str:
    """Return why an object does not count, from what HEAD and its tags tell."""
    where = request.where
    if where.content_type is not None and not _is_type(seen.content_type, where.content_type):
        return f"content type {seen.content_type}, expected {where.content_type}"
    for kind, wanted, found in (
        ("metadata", where.metadata, seen.metadata),
        ("tag", where.tags, tags),
    ):
        for name, value in wanted.items():
            if (found or {}).get(name) != value:
                return f"{kind} {name} is {(found or {}).get(name)!r}, expected {value!r}"
    return ""


def _is_type(found: str | None, wanted: str) -> bool:
    plain = (found or "").partition(";")[0].strip().lower()
    return fnmatch.fnmatchcase(plain, wanted.lower())


def unsettled(request: SensorRequest, seen: Sequence[Seen], now_s: float) -> str:
    """Return what changed too short a while ago; overwritten objects have changed, too."""
    if request.settled_s is None or not seen:
        return ""
    newest = max(seen, key=lambda each: each.modified_s)
    quiet_s = now_s - newest.modified_s
    if quiet_s >= request.settled_s:
        return ""
    return (
        f"{newest.key[-200:]!r} changed {max(0.0, quiet_s):.0f} s ago, expected nothing to change for "
        f"{request.settled_s:.0f} s"
    )


def of_keys(
    request: SensorRequest,
    found: Mapping[str, Seen | None],
    misfits: Mapping[str, str],
    now_s: float,
) -> Verdict:
    """Judge literal keys; ``misfits`` says of keys that are there why they do not count."""
    there = [seen for seen in found.values() if seen is not None]
    good = [seen for seen in there if not misfits.get(seen.key)]
    if request.wait_for == "deleted":
        return Verdict(_still_there(good))
    if len(good) < request.wanted:
        return Verdict(_lacking(request, found, misfits), good)
    return Verdict(unsettled(request, there, now_s), good)


def _lacking(
    request: SensorRequest, found: Mapping[str, Seen | None], misfits: Mapping[str, str]
) -> str:
    if len(found) == 1:
        key = next(iter(found))
        return misfits.get(key) or "it is not there yet"
    absent = [key for key, seen in found.items() if seen is None]
    good = len(found) - len(absent) - sum(1 for text in misfits.values() if text)
    said = [f"{good} of {len(found)} keys, expected {request.wanted}"]
    if absent:
        said.append(f"not there: {_names(absent)}")
    odd = next(((key, text) for key, text in misfits.items() if text), None)
    if odd:
        said.append(f"{odd[0][-100:]!r}: {odd[1]}")
    return "; ".join(said)


def of_listing(
    request: SensorRequest, found: Sequence[Seen], good: Sequence[Seen], now_s: float
) -> Verdict:
    """
    Judge what a prefix or pattern has found.

    Args:
        request: What is waited for.
        found: All that is there.
        good: Those of it that count.
        now_s: Seconds since 1970.
    """
    if request.wait_for == "deleted":
        return Verdict(_still_there(good))
    if len(good) < request.min_count:
        return Verdict(_too_few(request, found, good, now_s), good)
    total = sum(seen.size_bytes for seen in good)
    if request.min_total_bytes is not None and total < request.min_total_bytes:
        wanted = size_text(request.min_total_bytes)
        return Verdict(f"{size_text(total)}, expected at least {wanted}", good)
    return Verdict(unsettled(request, found, now_s), good)


def _too_few(
    request: SensorRequest, found: Sequence[Seen], good: Sequence[Seen], now_s: float
) -> str:
    if not found:
        return "nothing is there yet"
    said = f"{len(good):,} objects, expected at least {request.min_count:,}"
    if len(good) == len(found):
        return said
    odd = next((s for s in found if s not in good), None) if len(found) <= 1000 else None
    why = misfit(request, odd, now_s) if odd else ""
    return f"{said}; {len(found) - len(good):,} more do not count" + (
        f", such as {odd.key[-100:]!r}: {why}" if odd and why else ""
    )


def of_manifest(entries: Sequence[Entry], found: Mapping[str, Seen | None]) -> Verdict:
    """Judge what a manifest lists."""
    there = [seen for seen in found.values() if seen is not None]
    absent = [entry.key for entry in entries if found.get(entry.key) is None]
    if absent:
        said = f"{len(there):,} of {len(entries):,} objects of the manifest; not there: {_names(absent)}"
        return Verdict(said, there)
    for entry in entries:
        seen = found[entry.key]
        if seen is not None and entry.size_bytes not in (None, seen.size_bytes):
            said = f"{entry.key[-100:]!r} has {seen.size_bytes:,} bytes, {entry.size_bytes:,} in the manifest"
            return Verdict(said, there)
    return Verdict("", there)


def _still_there(good: Sequence[Seen]) -> str:
    return f"still there: {_names([seen.key for seen in good])}" if good else ""


def _names(keys: Sequence[str]) -> str:
    shown = ", ".join(repr(key[-100:]) for key in keys[:_NAMED])
    return shown + (f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else "")
