"""
What Flyte keeps of a job between polls: versioned JSON of less than 1 KB, no secret.

The bytes outlive deployments, so decoding takes what older and newer versions wrote: unknown
fields are ignored, missing ones get their defaults. It never raises: flytekit's service decodes
outside of any guard.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar, cast

from ._flyte import FlyteResourceMeta
from .text import bounded

if TYPE_CHECKING:
    from typing_extensions import Self

_log = logging.getLogger("flyte_agent")

META_LIMIT_BYTES = 1024
"""Flyte stores metadata in the workflow's own record and prints it into propeller's log."""

_VERSION = 1
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_FIELDS: dict[type[Any], _Fields] = {}
_FAILURE_MESSAGE_BYTES = 700

_REMEMBERED = 10_000
"""Jobs whose metadata is kept decoded, of each agent: 1 to 2 KB each."""


class _Fields(NamedTuple):
    """The names of a class's fields, and of those without a default."""

    names: tuple[str, ...]
    required: frozenset[str]


@dataclasses.dataclass(kw_only=True)
class JobMeta(FlyteResourceMeta):
    """
    What ``get`` and ``delete`` need to find the job again; never a credential.

    Subclasses add plain JSON fields. Give a field that a later version adds a default. What ``get``
    and ``delete`` are given is shared by all polls of the job and not to be changed.

    Attributes:
        key: The attempt's key; filled in by the core.
        created_s: Seconds since 1970 when the job was created; filled in by the core.
        origin: ``project/domain/execution`` of Flyte, for logs and for who pays; filled in by the
            core, which no poll tells it.
    """

    key: str = ""
    created_s: float = 0.0
    origin: str = ""

    read_from: ClassVar[bytes] = b""
    """What an instance was decoded from, if it was."""

    _digest: ClassVar[bytes] = b""

    def encode(self) -> bytes:
        """Return the bytes Flyte keeps."""
        fields = {name: getattr(self, name) for name in _fields(type(self)).names}
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
        missing = known.required - values.keys()
        if missing:
            raise ValueError(f"metadata has no {', '.join(sorted(missing))}")
        kept = {name: values[name] for name in known.names if name in values}
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
        self._remembered = functools.lru_cache(_REMEMBERED)(self._decode)

    def decode(self, data: bytes) -> M | FailedCreate | Undecodable:
        """
        Return what ``data`` holds; never raises.

        Polls of one job bring the same bytes each time, and get the same instance.
        """
        return self._remembered(data) if len(data) <= META_LIMIT_BYTES else self._decode(data)

    def _decode(self, data: bytes) -> M | FailedCreate | Undecodable:
        try:
            values = _load(data)
            failed = values.get("failed")
            if isinstance(failed, dict):
                return FailedCreate(str(failed.get("code", "")), str(failed.get("message", "")))
            meta = self.meta_type.of(values)
            meta.__dict__["read_from"] = data
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            _log.error("metadata of %d bytes is not ours: %s", len(data), bounded(str(error), 200))
            return Undecodable(data, bounded(str(error), 200))
        return meta


def digest(meta: JobMeta) -> bytes:
    """Return a short name of a job for tables; every poll asks, so it is not encoded again."""
    if meta.read_from and meta._digest:  # noqa: SLF001  # of this module
        return meta._digest  # noqa: SLF001
    name = hashlib.blake2b(meta.read_from or meta.encode(), digest_size=16).digest()
    meta.__dict__["_digest"] = name
    return name


def _load(data: bytes) -> dict[str, Any]:
    values = json.loads(data.decode("utf-8"))
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, found {type(values).__name__}")  # noqa: TRY004  # one kind of error for bad bytes
    return cast("dict[str, Any]", values)


def _dump(values: dict[str, Any]) -> bytes:
    return _encode(values).encode("utf-8")


def _fields(cls: type[Any]) -> _Fields:
    """Return the names of a class's fields; every poll asks."""
    known = _FIELDS.get(cls)
    if known is None:
        fields = dataclasses.fields(cls)
        required = frozenset(field.name for field in fields if _required(field))
        known = _FIELDS[cls] = _Fields(tuple(field.name for field in fields), required)
    return known


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
