"""Parts of a sensor's configuration: what objects must be like, and where events come from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from flyte_agent_core import Config
from flyte_agent_core.fields import did_you_mean, invalid

from .fields import check_above_zero, check_types

# https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html#API_HeadObject_ResponseSyntax
STORAGE_CLASSES = (
    "STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER",
    "DEEP_ARCHIVE", "OUTPOSTS", "GLACIER_IR", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP",
)  # fmt: skip

_QUEUE_URL = re.compile(r"https?://[^/\s]+/[^\s?#]+")
_LONGEST_KEEP_S = 43_200.0


@dataclass
class Where(Config):
    """
    What an object must be like to count.

    Size, age and storage class come with every listing; the rest takes a request for each object.

    Attributes:
        min_bytes: Least size.
        max_bytes: Greatest size.
        min_age_s: Seconds since the last change, at least.
        max_age_s: Seconds since the last change, at most.
        storage_class: Classes that will do, such as ``["STANDARD"]``.
        content_type: Media type; ``text/*`` is any text.
        metadata: User metadata that must be there, with these values; names in lower case.
        tags: Tags that must be there, with these values.
    """

    min_bytes: int | None = None
    max_bytes: int | None = None
    min_age_s: float | None = None
    max_age_s: float | None = None
    storage_class: list[str] = field(default_factory=list)
    content_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself."""
        check_types("where.", self)
        for name in ("min_bytes", "max_bytes", "min_age_s", "max_age_s"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise invalid(f"where.{name}", value, "a number that is not negative")
        _check_order("bytes", self.min_bytes, self.max_bytes)
        _check_order("age_s", self.min_age_s, self.max_age_s)
        for found in self.storage_class:
            if found not in STORAGE_CLASSES:
                repair = did_you_mean(found.upper(), STORAGE_CLASSES)
                raise invalid("where.storage_class", found, ", ".join(STORAGE_CLASSES), repair)
        for name in self.metadata:
            if name != name.lower():
                repair = f"S3 keeps names in lower case: write {name.lower()!r}."
                raise invalid("where.metadata", name, "a name in lower case", repair)

    @property
    def needs_head(self) -> bool:
        """Whether a listing does not tell enough."""
        return bool(self.content_type or self.metadata or self.tags)


def _check_order(what: str, least: float | None, greatest: float | None) -> None:
    if least is not None and greatest is not None and least > greatest:
        raise invalid(f"where.min_{what}", least, f"at most max_{what}, which is {greatest}")


@dataclass
class SqsEvents(Config):
    """
    A queue with the bucket's notifications: it says when to look, never what is there.

    Takes S3's notifications, the same through SNS, and EventBridge's. All sensors of a service that
    name the queue share what it brings.

    Attributes:
        queue_url: ``https://sqs.REGION.amazonaws.com/ACCOUNT/NAME``.
        fallback_s: How often to look without an event, since an event may be lost.
        keep_s: How old an event must be before one that fits no sensor is taken off the queue.
    """

    queue_url: str
    fallback_s: float = 900.0
    keep_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuse what cannot be a queue."""
        check_types("events.", self)
        if not _QUEUE_URL.fullmatch(self.queue_url):
            repair = (
                "It is the queue's URL, not its name or ARN: aws sqs get-queue-url --queue-name …"
            )
            raise invalid("events.queue_url", self.queue_url, "the URL of a queue", repair)
        check_above_zero("events.fallback_s", self.fallback_s, at_most=86_400.0)
        check_above_zero("events.keep_s", self.keep_s, at_most=_LONGEST_KEEP_S)
