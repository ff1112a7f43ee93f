"""
Notifications of a bucket, in the forms that arrive in a queue.

S3's own, with keys encoded as in forms: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
The same in a message of SNS, unless raw delivery is on: https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
EventBridge's: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
"""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

_DEPTH = 3


class UnknownMessageError(ValueError):
    """A message that is no notification of a bucket."""


class Event(NamedTuple):
    """
    Something happened to a key.

    Attributes:
        keys: The key as it may be meant: decoded, and as it stood there.
        happened_s: Seconds since 1970; 0 if the message does not say.
        name: Equal for copies of one event, and for no other.
    """

    bucket: str
    keys: tuple[str, ...]
    happened_s: float
    name: str


def parse(body: str) -> list[Event]:
    """
    Return the events in a message; none for the one that S3 sends to try a queue out.

    Raises:
        UnknownMessageError: It is of no form that is known.
    """
    try:
        return list(_events(json.loads(body), 0))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UnknownMessageError(f"{type(error).__name__}: {error}") from error


def _events(found: Any, depth: int) -> Iterator[Event]:
    if not isinstance(found, dict) or depth > _DEPTH:
        raise UnknownMessageError("no JSON object of a notification")
    if isinstance(found.get("Records"), list):
        for record in found["Records"]:
            if "Sns" in record:  # SNS's form for functions
                yield from _events(json.loads(record["Sns"]["Message"]), depth + 1)
            else:
                yield _record(record)
    elif found.get("Event") == "s3:TestEvent":
        return
    elif isinstance(found.get("Message"), str):
        yield from _events(json.loads(found["Message"]), depth + 1)
    elif found.get("source") == "aws.s3":
        yield _from_bridge(found)
    else:
        raise UnknownMessageError("neither Records nor an event of aws.s3")


def _record(record: dict[str, Any]) -> Event:
    s3 = record["s3"]
    bucket, thing = s3["bucket"]["name"], s3["object"]
    key = str(thing["key"])
    return Event(
        bucket=bucket,
        keys=tuple(dict.fromkeys((unquote_plus(key), key))),
        happened_s=_moment(record.get("eventTime")),
        name=_name(bucket, key, record.get("eventName"), thing, record.get("eventTime")),
    )


def _from_bridge(found: dict[str, Any]) -> Event:
    detail = found["detail"]
    bucket, thing = detail["bucket"]["name"], detail["object"]
    key = str(thing["key"])
    return Event(
        bucket=bucket,
        # Plain text by all accounts; HEAD decides whichever it is.
        keys=tuple(dict.fromkeys((key, unquote_plus(key)))),
        happened_s=_moment(found.get("time")),
        name=_name(bucket, key, found.get("detail-type"), thing, found.get("time")),
    )


def _name(bucket: str, key: str, what: Any, thing: dict[str, Any], moment: Any) -> str:
    order = thing.get("sequencer") or moment
    return json.dumps([bucket, key, what, order, thing.get("eTag", thing.get("etag"))])


def _moment(text: Any) -> float:
    if not isinstance(text, str):
        return 0.0
    try:
        found = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return (found if found.tzinfo else found.replace(tzinfo=dt.timezone.utc)).timestamp()
