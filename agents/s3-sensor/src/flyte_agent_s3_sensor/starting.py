"""From an attempt to a sensor's metadata; nothing is asked of S3."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from flyte_agent_core import TaskError
from flyte_agent_core.fields import invalid

from . import templates
from .address import take_bucket
from .config import SensorRequest
from .meta import S3SensorMeta, pack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flyte_agent_core import AsyncAgent, Attempt

LONGEST_WAIT_S = 7 * 86_400.0
"""For how long a sensor waits if nobody said."""

WATCH_BYTES = 640
META_BYTES = 2048

_ENDS_BEFORE_S = 120.0  # a loaded propeller polls every hundred seconds
_ENDS_BEFORE = 0.1


def start(agent: AsyncAgent[S3SensorMeta], attempt: Attempt) -> S3SensorMeta:
    """
    Return the metadata of a sensor.

    Raises:
        TaskError: The task must change.
    """
    asked = attempt.config(SensorRequest)
    request = filled(asked, attempt.inputs)
    names_secrets = any((
        request.access.credentials,
        request.access.web_identity,
        request.access.sse_c_key,
    ))
    watch = pack(request)
    if len(watch.encode()) > WATCH_BYTES:
        watch = min(watch, pack(request, small=True), key=lambda text: len(text.encode()))
    meta = S3SensorMeta(
        key=attempt.key,
        created_s=agent.clock.time(),
        watch=watch,
        wait_s=_wait_s(asked, attempt),
        outputs=attempt.output_spec.encode() or None,
        flyte_project=(attempt.identity.project or None) if names_secrets else None,
        flyte_domain=(attempt.identity.domain or None) if names_secrets else None,
    )
    return _small(meta)


def filled(request: SensorRequest, values: Mapping[str, Any]) -> SensorRequest:
    """
    Return a request with the inputs in it, checked again.

    Raises:
        InvalidConfig: A value is missing, or makes no such name.
    """

    def put(field: str, text: str | None, escape: Callable[[str], str] = templates.literal) -> Any:
        return None if text is None else templates.fill(field, text, values, escape)

    made: dict[str, Any] = {
        "bucket": put("bucket", request.bucket),
        "keys": templates.fill_all("key", request.keys, values),
        "prefix": put("prefix", request.prefix),
        "wildcard": put("wildcard", request.wildcard, templates.in_wildcard),
        "regex": put("regex", request.regex, templates.in_regex),
        "marker": put("marker", request.marker),
        "changed_from": put("changed_from", request.changed_from),
        "newer_than": _moment(request.newer_than, values),
        "inputs": {},
    }
    if request.keys and not made["keys"]:
        raise invalid("key", [], "at least one key", "The input is an empty list.")
    take_bucket(made)
    changed = {name: value for name, value in made.items() if value != getattr(request, name)}
    return dataclasses.replace(request, **changed) if changed else request


def _moment(text: str | None, values: Mapping[str, Any]) -> str | None:
    if text is None:
        return None
    moment_s = templates.moment_of("newer_than", text, values)
    return dt.datetime.fromtimestamp(moment_s, tz=dt.timezone.utc).isoformat()


def _wait_s(request: SensorRequest, attempt: Attempt) -> float:
    """Return for how long to wait: what the task says, and a little less than Flyte's own timeout."""
    limits = [] if request.timeout_s is None else [float(request.timeout_s)]
    if attempt.timeout_s:
        limits.append(attempt.timeout_s - min(_ENDS_BEFORE_S, attempt.timeout_s * _ENDS_BEFORE))
    return min(limits, default=LONGEST_WAIT_S)


def _small(meta: S3SensorMeta) -> S3SensorMeta:
    size = len(meta.encode())
    if size > META_BYTES:
        raise TaskError(
            f"key: the names of what is waited for take {size} bytes, expected at most {META_BYTES}: Flyte keeps them "
            "with the workflow. Wait for a prefix or pattern, or list the keys in a manifest.",
            code="S3.NAMES_TOO_LONG",
        )
    return meta
