"""What a sensor waits for: the ``custom`` of an ``s3_sensor`` task."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

from flyte_agent_core import Config
from flyte_agent_core.fields import did_you_mean, invalid

from .address import check_bucket, check_key, check_prefix
from .config_access import S3Config
from .config_parts import SqsEvents, Where
from .fields import check_above_zero, check_types
from .patterns import check_regex, check_wildcard, regex_prefix, wildcard_prefix
from .templates import PLACEHOLDER

TASK_TYPE = "s3_sensor"

Condition = Literal["exists", "deleted", "changed"]
OnTimeout = Literal["fail", "report"]
Output = Literal["none", "file", "files", "object", "objects", "found"]

MAX_WAIT_S = 366 * 86_400.0
MAX_PAGES = 100
MAX_KEYS = 1000
PAGES = 20
"""How many pages of a thousand keys a look may read if the task does not say."""

_TARGETS = ("keys", "prefix", "wildcard", "regex")


@dataclass
class SensorRequest(Config):
    """
    One wait; texts may hold placeholders until ``create`` puts the inputs in.

    Attributes:
        bucket: Name, or ARN or alias of an access point; empty where a file that is an input names it.
        keys: Literal keys. One of ``keys``, ``prefix``, ``wildcard`` and ``regex`` is given.
        prefix: What keys begin with.
        wildcard: ``*`` and ``?`` within a folder, ``**`` across.
        regex: RE2's syntax, for whole keys.
        wait_for: ``exists``, ``deleted`` or ``changed``.
        at_least: How many of ``keys``; all if not given.
        min_count: How many objects of a prefix or pattern.
        min_total_bytes: How many bytes they have together.
        where: What an object must be like to count.
        newer_than: Only objects changed after this moment count.
        changed_from: ETag or version id that the key had; ``""`` if it was not there.
        settled_s: Seconds in which nothing of what is waited for may have changed.
        marker: Key that is there when a prefix is complete; relative to the prefix if it begins ``./``.
        manifest: Whether the key is an object that lists what must be there.
        timeout_s: For how long to wait; ``None`` leaves it to the task's own timeout.
        on_timeout: Whether the end of that time is a failure, or a result.
        poke_interval_s: Least seconds between two looks.
        backoff: By what the interval grows from one look to the next.
        max_interval_s: Where it stops growing.
        patience_s: Seconds for which it may be impossible to look.
        max_pages: Pages of a thousand keys that one look may read.
        whole_bucket: Whether a pattern without a literal beginning may list all there is.
        missing_on_403: Whether "forbidden" means "not there".
        output: What the task gives.
        pin: Whether addresses name the version that was seen, where the bucket keeps versions.
        access: How to reach the bucket.
        events: A queue that says when to look.
        inputs: Kind of each input, by name.
    """

    bucket: str = ""
    keys: list[str] = field(default_factory=list)
    prefix: str | None = None
    wildcard: str | None = None
    regex: str | None = None
    wait_for: Condition = "exists"
    at_least: int | None = None
    min_count: int = 1
    min_total_bytes: int | None = None
    where: Where = field(default_factory=Where)
    newer_than: str | None = None
    changed_from: str | None = None
    settled_s: float | None = None
    marker: str | None = None
    manifest: bool = False
    timeout_s: float | None = None
    on_timeout: OnTimeout = "fail"
    poke_interval_s: float | None = None
    backoff: float = 1.0
    max_interval_s: float = 3600.0
    patience_s: float = 900.0
    max_pages: int = PAGES
    whole_bucket: bool = False
    missing_on_403: bool = False
    output: Output = "none"
    pin: bool = True
    access: S3Config = field(default_factory=S3Config)
    events: SqsEvents | None = None
    inputs: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be, and what contradicts itself."""
        check_types("", self)
        _check_words(self)
        _check_target(self)
        _check_numbers(self)
        _check_condition(self)
        _check_names(self)

    @property
    def is_literal(self) -> bool:
        """Whether it waits for keys that are known, so that nothing has to be listed."""
        return bool(self.keys)

    @property
    def start(self) -> str:
        """What everything it waits for begins with, as far as that is known."""
        if self.wildcard is not None:
            return wildcard_prefix(self.wildcard)
        if self.regex is not None:
            return regex_prefix(PLACEHOLDER.sub("x", self.regex))
        return self.prefix or ""

    @property
    def wanted(self) -> int:
        """How many objects are enough."""
        if self.keys:
            return len(self.keys) if self.at_least is None else self.at_least
        return self.min_count


def _check_words(request: SensorRequest) -> None:
    for name, hint in (("wait_for", Condition), ("on_timeout", OnTimeout), ("output", Output)):
        words = get_args(hint)
        value = getattr(request, name)
        if value not in words:
            raise invalid(
                name, value, f"one of {', '.join(words)}", did_you_mean(str(value), words)
            )


def _check_target(request: SensorRequest) -> None:
    given = [n for n in _TARGETS if getattr(request, n) not in (None, [])]
    if len(given) != 1:
        found = given or None
        repair = (
            "For all keys of a bucket write prefix='' and whole_bucket=True." if not given else ""
        )
        raise invalid("key", found, "one of key, prefix, wildcard, regex", repair)
    if len(request.keys) > MAX_KEYS:
        repair = "List them in a manifest, or wait for a prefix with min_count."
        raise invalid("key", f"{len(request.keys)} keys", f"at most {MAX_KEYS}", repair)
    if len(set(request.keys)) < len(request.keys):
        twice = next(key for key in request.keys if request.keys.count(key) > 1)
        raise invalid("key", twice, "each key once")


def _check_numbers(request: SensorRequest) -> None:
    for name in ("timeout_s", "settled_s", "patience_s"):
        check_above_zero(name, getattr(request, name), at_most=MAX_WAIT_S)
    check_above_zero("poke_interval_s", request.poke_interval_s, at_most=86_400.0)
    check_above_zero("max_interval_s", request.max_interval_s, at_most=86_400.0)
    check_above_zero("min_count", request.min_count)
    check_above_zero("max_pages", request.max_pages, at_most=MAX_PAGES)
    check_above_zero("min_total_bytes", request.min_total_bytes)
    if not 1.0 <= request.backoff <= 10.0:
        raise invalid("backoff", request.backoff, "1 (every time the same) to 10")
    if request.backoff > 1.0 and request.poke_interval_s is None:
        raise invalid("backoff", request.backoff, "a poke_interval_s to begin with")
    if request.at_least is not None and request.at_least < 1:
        raise invalid("need", request.at_least, "'all', 'any' or a number above 0")


def _check_condition(request: SensorRequest) -> None:
    of_many = [n for n in ("min_total_bytes", "marker") if getattr(request, n) is not None]
    if request.is_literal and (of_many or request.min_count != 1):
        name = of_many[0] if of_many else "min_count"
        raise invalid(name, getattr(request, name), "a prefix, wildcard or regex that it is about")
    if not request.is_literal and request.at_least is not None:
        raise invalid("need", request.at_least, "keys; of a prefix that is min_count")
    if request.wait_for == "changed":
        _check_changed(request)
    elif request.changed_from is not None:
        raise invalid("changed_from", request.changed_from, "wait_for='changed' beside it")
    if request.wait_for == "deleted":
        _check_deleted(request)
    if request.manifest and (len(request.keys) != 1 or request.wait_for != "exists"):
        raise invalid("manifest", request.keys, "one key, with wait_for='exists'")


def _check_changed(request: SensorRequest) -> None:
    if request.changed_from is None and request.newer_than is None:
        repair = (
            "'Since the sensor started' would miss a change between two starts of one attempt: "
            "give the ETag an earlier task has seen."
        )
        raise invalid("changed_from", None, "an ETag or version id, or newer_than", repair)
    if request.changed_from is not None and len(request.keys) != 1:
        raise invalid("changed_from", request.changed_from, "one key that it is of")


def _check_deleted(request: SensorRequest) -> None:
    for name in ("settled_s", "marker", "newer_than", "min_total_bytes"):
        if getattr(request, name) is not None:
            raise invalid(name, getattr(request, name), "nothing with wait_for='deleted'")
    if request.output not in ("none", "found"):
        raise invalid("output", request.output, "None or S3Found: what is deleted cannot be given")


def _check_is_named(request: SensorRequest) -> None:
    """A file that is an input names the bucket, too."""
    target = next(iter(request.keys), request.prefix or request.wildcard or "")
    if not PLACEHOLDER.match(target):
        raise invalid("bucket", request.bucket, "a bucket, or 's3://bucket/…' in the key")


def _check_names(request: SensorRequest) -> None:
    """Look at the names that are complete; the others follow when the inputs are in."""
    if not request.bucket:
        _check_is_named(request)
    elif not PLACEHOLDER.search(request.bucket):
        check_bucket(request.bucket)
    for key in request.keys:
        if not PLACEHOLDER.search(key):
            check_key("key", key)
    if request.marker is not None and not PLACEHOLDER.search(request.marker):
        check_key("marker", request.marker.removeprefix("./"))
    if request.prefix is not None and not PLACEHOLDER.search(request.prefix):
        check_prefix("prefix", request.prefix)
    # Inputs are text in a pattern, so any text in their place has the same form.
    if request.wildcard is not None:
        check_wildcard(PLACEHOLDER.sub("x", request.wildcard))
    if request.regex is not None:
        check_regex(PLACEHOLDER.sub("x", request.regex))
    if not request.is_literal and not request.start and not request.whole_bucket:
        target = request.wildcard or request.regex or request.prefix
        repair = "Begin it with literal text, or write whole_bucket=True if it is meant."
        raise invalid(
            "prefix", target, "a literal beginning: this would list the whole bucket", repair
        )
