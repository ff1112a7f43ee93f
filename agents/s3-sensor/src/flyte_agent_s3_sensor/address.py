"""
Names of buckets and keys.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html and
https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-referencing.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core.fields import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

KEY_LIMIT_BYTES = 1024

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
# Names made before 2018 in us-east-1, and those of other stores, may have more.
_LEGACY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_IP = re.compile(r"\d+\.\d+\.\d+\.\d+")
_ACCESS_POINT = re.compile(
    r"arn:(aws[a-z-]*):(s3|s3-object-lambda|s3-outposts):([a-z0-9-]*):(\d{12}):"
    r"(accesspoint[/:][A-Za-z0-9.-]+|outpost[/:][a-z0-9-]+[/:]accesspoint[/:][A-Za-z0-9.-]+)"
)
_BUCKET_ARN = re.compile(r"arn:aws[a-z-]*:s3:::(.+)")
_OWNER = re.compile(r"\d{12}")
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,512}")


class Place(NamedTuple):
    """A bucket, or an access point in the place of one, and a key, prefix or pattern in it."""

    bucket: str
    key: str


def split_uri(field: str, text: str) -> Place:
    """
    Return bucket and key of ``s3://bucket/key``; without that beginning the bucket is ``""``.

    Raises:
        InvalidConfig: It is a URI of another kind, or has no bucket.
    """
    scheme, found, rest = text.partition("://")
    if not found or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        return Place("", text)
    if scheme not in ("s3", "s3a", "s3n"):
        raise invalid(field, text, "a key, or a URI that begins with 's3://'")
    bucket, _, key = _split_arn(rest) if rest.startswith("arn:") else rest.partition("/")
    if not bucket:
        raise invalid(field, text, "s3://bucket/key")
    return Place(bucket, key)


def _split_arn(rest: str) -> tuple[str, str, str]:
    """Part an access point's ARN, which may hold a slash itself, from the key behind it."""
    match = _ACCESS_POINT.match(rest)
    end = match.end() if match else len(rest)
    return rest[:end], "/", rest[end:].removeprefix("/")


def take_bucket(made: dict[str, Any]) -> None:
    """
    Take the bucket from URIs in ``keys``, ``prefix`` and ``wildcard``, such as those of files that are inputs.

    Raises:
        InvalidConfig: They are of several buckets.
    """
    for name in ("keys", "prefix", "wildcard"):
        given = made[name]
        if not given:
            continue
        places = [split_uri("key", text) for text in (given if name == "keys" else [given])]
        buckets = {place.bucket for place in places if place.bucket} | (
            {made["bucket"]} if made["bucket"] else set()
        )
        if len(buckets) > 1:
            raise invalid("bucket", sorted(buckets), "one bucket", "Use a sensor for each.")
        made["bucket"] = next(iter(buckets), "")
        made[name] = [p.key for p in places] if name == "keys" else places[0].key


def check_bucket(text: str) -> str:
    """
    Return the name of a bucket, or the ARN or alias of an access point.

    Raises:
        InvalidConfig: It cannot be one.
    """
    if text.startswith("arn:"):
        return _check_arn(text)
    if text.startswith("s3://") or "/" in text:
        name = text.removeprefix("s3://").partition("/")[0]
        raise invalid("bucket", text, "a name without 's3://' and '/'", f"Write bucket={name!r}.")
    if _IP.fullmatch(text) or ".." in text or not _is_name(text):
        raise invalid(
            "bucket", text,
            "3 to 63 lower-case letters, digits, '-' and '.', or the ARN of an access point",
        )  # fmt: skip
    return text


def _is_name(text: str) -> bool:
    return bool(_BUCKET.fullmatch(text) or (text != text.lower() and _LEGACY.fullmatch(text)))


def _check_arn(text: str) -> str:
    if _ACCESS_POINT.fullmatch(text):
        return text
    of_bucket = _BUCKET_ARN.fullmatch(text)
    repair = f"Write bucket={of_bucket[1].partition('/')[0]!r}." if of_bucket else ""
    expected = "a bucket's name, or 'arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME'"
    raise invalid("bucket", text, expected, repair)


def check_key(field: str, text: str) -> str:
    """
    Return a key; every character is one of its own, also ``+``, ``%`` and line breaks.

    Raises:
        InvalidConfig: It is empty, longer than S3 allows, or would be changed on its way.
    """
    if not text:
        raise invalid(field, text, "a key", "For a whole folder write prefix='folder/'.")
    return check_prefix(field, text)


def check_prefix(field: str, text: str) -> str:
    """
    Return a prefix, which may be empty.

    Raises:
        InvalidConfig: It is longer than a key may be, or would be changed on its way.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise invalid(field, text, "text that UTF-8 can express") from None
    if size > KEY_LIMIT_BYTES:
        raise invalid(field, text, f"at most {KEY_LIMIT_BYTES} bytes of UTF-8, it has {size}")
    if "\x00" in text:
        raise invalid(field, text, "no NUL character")
    if any(part in (".", "..") for part in text.split("/")):
        repair = (
            "Programs on the way take it for a path and shorten it: give the object another key."
        )
        raise invalid(field, text, "no part that is '.' or '..'", repair)
    return text


def check_owner(text: str) -> str:
    """
    Return the id of an AWS account.

    Raises:
        InvalidConfig: It has not 12 digits.
    """
    if not _OWNER.fullmatch(text):
        repair = "Write it as text: a number would lose zeros in front."
        raise invalid("expected_bucket_owner", text, "the 12 digits of an AWS account", repair)
    return text


def check_role(text: str) -> str:
    """
    Return the ARN of a role.

    Raises:
        InvalidConfig: It is none.
    """
    if not _ROLE.fullmatch(text):
        raise invalid("role_arn", text, "'arn:aws:iam::ACCOUNT:role/NAME'")
    return text


def uri_of(bucket: str, key: str, version_id: str | None = None) -> str:
    """Return the URI of an object, of one version of it if that is given."""
    pinned = f"?versionId={version_id}" if version_id else ""
    return f"s3://{bucket}/{key}{pinned}"


def folder_of(prefix: str) -> str:
    """Return the part of a prefix or key up to its last slash: what a listing can share."""
    return prefix[: prefix.rfind("/") + 1]


def common_start(texts: Iterable[str]) -> str:
    """Return the longest text that all begin with."""
    least, greatest = min(texts := list(texts)), max(texts)
    end = next((n for n, char in enumerate(least) if greatest[n : n + 1] != char), len(least))
    return least[:end]
