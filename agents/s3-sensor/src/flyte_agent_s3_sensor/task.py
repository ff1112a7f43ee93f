"""The task class that authors use: :class:`S3Sensor`."""

from __future__ import annotations

import dataclasses
import datetime as dt
import types
import typing
from typing import TYPE_CHECKING, Any, Literal

from flytekit import FlyteFile
from flytekit.core.interface import Interface
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from flyte_agent_core import AgentTask
from flyte_agent_core.fields import invalid
from flyte_agent_core.task_options import flytekit_options

from . import templates
from .address import take_bucket
from .config import TASK_TYPE, Condition, OnTimeout, Output, SensorRequest
from .config_access import S3Config
from .config_parts import SqsEvents, Where
from .cost import POLL_S, usd_per_month
from .objects import S3Found, S3Object
from .versions import register

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flytekit.configuration import SerializationSettings

OUTPUT = "found"
"""Name of a sensor's output."""

_OUTPUTS = (
    "None, FlyteFile, list[FlyteFile], S3Object, list[S3Object], S3Found, or Optional of one object"
)


class S3Sensor(AgentTask[S3Config]):
    """
    Wait for objects in a bucket; nothing runs meanwhile.

    ::

        S3Sensor(
            name="flights_of_the_day",
            bucket="landing",
            key="flights/{inputs.day:%Y/%m/%d}.csv",
            inputs={"day": date},
            output=FlyteFile,
            timeout_s=6 * 3600,
        )

    Args:
        name: Name of the task, unique in its Flyte project.
        bucket: Its name, or the ARN or alias of an access point; not needed where keys are ``s3://…``.
        key: One key or several; each character stands for itself. One of this and the next four is given.
        config: How to reach the bucket, and as whom.
        inputs: Name and type of each input, for ``{inputs.name}`` in all names here.
        output: What to give to the next task: ``FlyteFile``, ``S3Object`` (of several objects the one that
            changed last), ``list`` of these, or :class:`S3Found`.
        prefix: What keys begin with.
        wildcard: ``*`` and ``?`` stay within a folder, ``**`` does not.
        regex: In RE2's syntax, for whole keys.
        manifest: Key of an object that lists what must be there.
        wait_for: ``exists``, ``deleted`` or ``changed``.
        need: ``all`` keys, ``any``, or how many at least.
        min_count: Objects of a prefix or pattern.
        min_total_bytes: Their size together.
        where: What an object must be like to count.
        newer_than: Only objects that changed after this moment, or ``"{inputs.name}"``, count.
        changed_from: ETag or version id that the key had, ``""`` if it was not there, for ``changed``.
        settled_s: Seconds in which nothing of it may have changed.
        marker: Key that says a prefix is complete; ``./_SUCCESS`` is in the prefix's own folder.
        timeout_s: For how long to wait. If not given, until a little before the task's ``timeout``, or a week.
        on_timeout: ``fail``, or ``report`` to succeed with an output that says so.
        poke_interval_s: Least seconds between two looks; each poll of Flyte's, every 30 s, if not given.
        backoff: By what this interval grows from look to look.
        max_interval_s: Where it stops growing.
        patience_s: Seconds for which it may be impossible to look.
        max_pages: Pages of a thousand keys that a look may read.
        whole_bucket: Whether what has no literal beginning may list the whole bucket.
        missing_on_403: Whether "forbidden" means "not there yet".
        pin: Whether files are the version that was seen, where the bucket keeps versions. Whoever reads such a
            file needs this package; ``False`` gives the plain address.
        events: A queue that says when to look.
        options: flytekit's own: ``retries``, ``timeout``, ``cache``, ``environment``…

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking S3.
    """

    request: SensorRequest

    def __init__(  # noqa: PLR0913  # each is one thing to wait for or how to wait
        self,
        name: str,
        bucket: str = "",
        key: str | Sequence[str] | None = None,
        config: S3Config | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = None,
        *,
        prefix: str | None = None,
        wildcard: str | None = None,
        regex: str | None = None,
        manifest: str | None = None,
        wait_for: Condition = "exists",
        need: Literal["all", "any"] | int = "all",
        min_count: int = 1,
        min_total_bytes: int | None = None,
        where: Where | None = None,
        newer_than: dt.datetime | str | None = None,
        changed_from: str | None = None,
        settled_s: float | None = None,
        marker: str | None = None,
        timeout_s: float | None = None,
        on_timeout: OnTimeout = "fail",
        poke_interval_s: float | None = None,
        backoff: float = 1.0,
        max_interval_s: float = 3600.0,
        patience_s: float = 900.0,
        max_pages: int = 20,
        whole_bucket: bool = False,
        missing_on_403: bool = False,
        pin: bool = True,
        events: SqsEvents | None = None,
        **options: Any,
    ) -> None:
        said = {name: value for name, value in locals().items() if name in _SAID}
        self.request = _request(said)
        if pin and self.request.output != "none":
            register()
        super().__init__(
            task_type=TASK_TYPE,
            name=name,
            task_config=self.request.access,
            interface=Interface(
                inputs=dict(inputs or {}), outputs={} if output is None else {OUTPUT: output}
            ),
            **flytekit_options("S3Sensor", options, _OWN),
        )

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        """Return the request as Flyte keeps it."""
        message = Struct()
        message.update(self.request.to_custom())
        made: dict[str, Any] = MessageToDict(message)
        return made

    def usd_per_month(self, *, pages: int = 1, poll_s: float = POLL_S) -> float:
        """
        Return what a month of waiting costs by S3's public prices, if no other sensor shares the looks.

        Args:
            pages: Pages of a thousand keys that the prefix has.
            poll_s: How often Flyte polls.
        """
        return usd_per_month(self.request, pages=pages, poll_s=poll_s)


_SAID = (
    "bucket", "key", "config", "inputs", "output", "prefix", "wildcard", "regex", "manifest", "wait_for", "need",
    "min_count", "min_total_bytes", "where", "newer_than", "changed_from", "settled_s", "marker", "timeout_s",
    "on_timeout", "poke_interval_s", "backoff", "max_interval_s", "patience_s", "max_pages", "whole_bucket",
    "missing_on_403", "pin", "events",
)  # fmt: skip
"""Arguments that say what to wait for and how."""


def _request(said: Mapping[str, Any]) -> SensorRequest:
    """Return the request, checked as the agent will check it."""
    for name in ("bucket", "prefix", "wildcard", "regex"):
        if said[name] is not None and not isinstance(said[name], str):
            raise invalid(name, said[name], "text")
    made = {
        **{name: value for name, value in said.items() if name not in _TRANSLATED},
        "keys": _keys(said["key"], said["manifest"]),
        "manifest": said["manifest"] is not None,
        "at_least": _at_least(said["need"]),
        "where": _instance("where", said["where"], Where),
        "access": _instance("config", said["config"], S3Config),
        "newer_than": _newer_than(said["newer_than"]),
        "output": _output_kind(said["output"], said["on_timeout"]),
        "inputs": {n: templates.kind_of(t) for n, t in (said["inputs"] or {}).items()},
    }
    if said["events"] is not None:
        made["events"] = _instance("events", said["events"], SqsEvents)
    return _checked(made)


_TRANSLATED = ("key", "need", "config")


def _checked(made: dict[str, Any]) -> SensorRequest:
    take_bucket(made)
    request = SensorRequest(**made)
    names = (
        request.bucket,
        *request.keys,
        request.prefix,
        request.wildcard,
        request.regex,
        request.marker,
    )
    moment = templates.names_in([request.newer_than or ""])
    for name, _ in moment:
        if request.inputs.get(name) not in ("datetime", "date"):
            found = request.inputs.get(name)
            raise invalid(
                "newer_than", request.newer_than, "an input of type datetime", f"It is {found}."
            )
    texts = [text for text in (*names, request.changed_from) if text]
    templates.check(texts, request.inputs, [name for name, _ in moment])
    return request


def _keys(key: Any, manifest: Any) -> list[str]:
    if manifest is not None and key is not None:
        raise invalid("manifest", manifest, "no key beside it")
    given = manifest if manifest is not None else key
    if given is None:
        return []
    listed = [given] if isinstance(given, str) else given
    if not isinstance(listed, (list, tuple)) or not all(isinstance(k, str) for k in listed):
        raise invalid("key", given, "text, or a list of texts")
    if not listed:
        raise invalid("key", given, "at least one key")
    return list(listed)


def _at_least(need: Any) -> int | None:
    if need == "all":
        return None
    if need == "any":
        return 1
    if isinstance(need, bool) or not isinstance(need, int):
        raise invalid("need", need, "'all', 'any' or a number")
    return need


def _instance(name: str, value: Any, kind: type[Any]) -> Any:
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise invalid(name, value, f"a {kind.__name__}", f"Write {name}={kind.__name__}(…).")
    return value


def _newer_than(given: Any) -> str | None:
    if given is None:
        return None
    if isinstance(given, dt.datetime):
        return (given if given.tzinfo else given.replace(tzinfo=dt.timezone.utc)).isoformat()
    alone = templates.PLACEHOLDER.fullmatch(given) if isinstance(given, str) else None
    if alone is None or alone[2] is not None:
        raise invalid("newer_than", given, "a datetime, or '{inputs.name}' without a format")
    return alone[0]


def _output_kind(output: Any, on_timeout: Any) -> Output:
    plain, is_optional = _unwrapped(output)
    is_list = typing.get_origin(plain) is list
    inner = typing.get_args(plain)[0] if is_list else plain
    if inner is None:
        kind = "none"
    elif inner is S3Found and not is_list:
        kind = "found"
    elif inner is S3Object:
        kind = "objects" if is_list else "object"
    elif isinstance(inner, type) and issubclass(inner, FlyteFile):
        kind = "files" if is_list else "file"
    else:
        raise invalid("output", output, _OUTPUTS)
    if on_timeout == "report" and kind in ("none", "file", "object") and not is_optional:
        repair = "Add output=S3Found, a list, or Optional[…]."
        raise invalid("on_timeout", on_timeout, "an output that says whether it was found", repair)
    return typing.cast("Output", kind)


def _unwrapped(output: Any) -> tuple[Any, bool]:
    if typing.get_origin(output) in (typing.Union, types.UnionType):
        rest = [arg for arg in typing.get_args(output) if arg is not type(None)]
        if len(rest) == 1:
            return rest[0], True
    return output, False


_OWN = (*(f.name for f in dataclasses.fields(SensorRequest)), "key", "need", "config")
