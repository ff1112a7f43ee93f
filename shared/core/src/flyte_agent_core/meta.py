"""
What Flyte keeps of a job between polls: versioned JSON of less than 1 KB, no secret.

The bytes outlive deployments, so decoding takes what older and newer versions wrote: unknown
fields are ignored, missing ones get their defaults. It never raises: flytekit's service decodes
outside of any guard.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ._flyte import FlyteResourceMeta
from .text import bounded

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("flyte_agent")

META_LIMIT_BYTES = 1024
"""Flyte stores metadata in the workflow's own record and prints it into propeller's log."""

_VERSION = 1
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_FIELDS: dict[type[Any], dict[str, dataclasses.Field[Any]]] = {}
_FAILURE_MESSAGE_BYTES = 700


@dataclasses.dataclass(kw_only=True)
class JobMeta(FlyteResourceMeta):
    """
    What ``get`` and ``delete`` need to find the job again; never a credential.

    Subclasses add plain JSON fields. Give a field that a later version adds a default.

    Attributes:
        key: The attempt's key; filled in by the core.
        created_s: Seconds since 1970 when the job was created; filled in by the core.
        origin: ``project/domain/execution`` of Flyte, for logs and for who pays; filled in by the
            core, which no poll tells it.
    """

    key: str = ""
    created_s: float = 0.0
    origin: str = ""

    def encode(self) -> bytes:
        """Return the bytes Flyte keeps."""
        fields = {name: getattr(self, name) for name in _fields(type(self))}
        return _dump({"v": _VERSION, **{k: v for k, v in fields.items() if v is not None}})

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """
        Return the metadata in ``data``.

        Raises:
            ValueError: ``data`` is not metadata of this kind of job.
        """
        return cls.of(_load(data))

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return metadata from decoded JSON; override to read what another program wrote."""
        known = _fields(cls)
        missing = [n for n, f in known.items() if n not in values and _required(f)]
        if missing:
            raise ValueError(f"metadata has no {', '.join(missing)}")
        kept = {name: values[name] for name in known if name in values}
        if not isinstance(kept.get("origin", ""), str):  # for logs alone: must not fail a poll
            del kept["origin"]
        return cls(**kept)


@dataclasses.dataclass
class FailedCreate(FlyteResourceMeta):
    """
    A create that the user must repair: the first poll answers FAILED.

    Flyte retries every error of create, so an error could not say that trying again will not help.
    """

    code: str
    message: str

    def encode(self) -> bytes:
        """Return the bytes Flyte keeps."""
        message = bounded(self.message, _FAILURE_MESSAGE_BYTES)
        return _dump({"v": _VERSION, "failed": {"code": self.code, "message": message}})


@dataclasses.dataclass
class Undecodable(FlyteResourceMeta):
    """Bytes that are not metadata of this agent."""

    data: bytes
    reason: str

    def encode(self) -> bytes:
        """Return the bytes as they came."""
        return self.data


M = TypeVar("M", bound=JobMeta)


class MetaCodec(Generic[M]):
    """What flytekit calls an agent's ``metadata_type``: it only ever asks it to decode."""

    def __init__(self, meta_type: type[M]) -> None:
        self.meta_type = meta_type

    def decode(self, data: bytes) -> M | FailedCreate | Undecodable:
        """Return what ``data`` holds; never raises."""
        try:
            values = _load(data)
            failed = values.get("failed")
            if isinstance(failed, dict):
                return FailedCreate(str(failed.get("code", "")), str(failed.get("message", "")))
            return self.meta_type.of(values)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            _log.error("metadata of %d bytes is not ours: %s", len(data), bounded(str(error), 200))
            return Undecodable(data, bounded(str(error), 200))


def _load(data: bytes) -> dict[str, Any]:
    values = json.loads(data.decode("utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, found {type(values).__name__}")  # noqa: TRY004  # one kind of error for bad bytes
    return cast("dict[str, Any]", values)


def _dump(values: dict[str, Any]) -> bytes:
    return _encode(values).encode("utf-8")


def _fields(cls: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    """Return a class's fields by name; every poll asks twice."""
    known = _FIELDS.get(cls)
    if known is None:
        known = _FIELDS[cls] = {field.name: field for field in dataclasses.fields(cls)}
    return known


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
