"""Flyte's literals as Python values an API can take; no type engine, no user code, no pickle."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from .errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyteidl.core.literals_pb2 import Literal, LiteralMap, Primitive, Scalar
    from typing_extensions import Self

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)


class FileRef(str):
    """Where a file, folder or dataset is; the string is its URI."""

    __slots__ = ("file_format",)

    file_format: str

    def __new__(cls, uri: str, format: str = "") -> Self:  # noqa: A002  # Flyte's own name for it
        """Make a reference to ``uri`` in Flyte's ``format``, such as ``parquet``."""
        ref = super().__new__(cls, uri)
        ref.file_format = format
        return ref

    @property
    def uri(self) -> str:
        """The URI."""
        return str(self)


def decode_inputs(literals: LiteralMap) -> dict[str, Any]:
    """
    Return the inputs as Python values.

    int, float, str, bool, ``None``, bytes, datetime (UTC), timedelta, list, dict; files and
    datasets as :class:`FileRef`. A ``date`` is a midnight datetime: Flyte keeps no difference.

    Raises:
        InvalidConfig: An input is of a kind that has no value outside of Python; it is named.
    """
    return {name: _named(name, literal) for name, literal in literals.literals.items()}


def _named(name: str, literal: Literal) -> Any:
    try:
        return decode(literal)
    except InvalidConfig as error:
        raise InvalidConfig(f"input {name!r}: {error}") from error


def decode(literal: Literal) -> Any:
    """Return the Python value of one literal; see :func:`decode_inputs`."""
    kind = literal.WhichOneof("value")
    if kind == "scalar":
        return _scalar(literal.scalar)
    if kind == "collection":
        return [decode(item) for item in literal.collection.literals]
    if kind == "map":
        return {key: decode(item) for key, item in literal.map.literals.items()}
    if kind == "offloaded_metadata":
        raise InvalidConfig(
            f"was offloaded to {literal.offloaded_metadata.uri}, which agents do not read. "
            "Pass large data as a file or a dataset, or switch literal offloading off."
        )
    return None


def _scalar(scalar: Scalar) -> Any:
    kind = scalar.WhichOneof("value")
    if kind is None:
        return None
    reader = _SCALARS.get(kind)
    if reader is None:
        raise InvalidConfig(
            f"found a literal of kind {kind!r}, expected one of {', '.join(sorted(_SCALARS))}"
        )
    return reader(scalar)


def _primitive(value: Primitive) -> Any:
    kind = value.WhichOneof("value")
    if kind == "datetime":
        stamp = value.datetime
        return _EPOCH + dt.timedelta(seconds=stamp.seconds, microseconds=stamp.nanos // 1000)
    if kind == "duration":
        return dt.timedelta(
            seconds=value.duration.seconds, microseconds=value.duration.nanos // 1000
        )
    return getattr(value, kind) if kind else None


def _binary(scalar: Scalar) -> Any:
    binary = scalar.binary
    if binary.tag != "msgpack":
        raise InvalidConfig(
            f"found binary data tagged {binary.tag!r}, expected 'msgpack'. "
            "Use a type Flyte knows: a number, text, date, list, dict or dataclass."
        )
    import msgpack

    return msgpack.unpackb(binary.value, strict_map_key=False)


def _struct(scalar: Scalar) -> Any:
    from google.protobuf.json_format import MessageToDict

    return restore_ints(MessageToDict(scalar.generic))


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "primitive": lambda scalar: _primitive(scalar.primitive),
    "none_type": lambda _: None,
    "union": lambda scalar: decode(scalar.union.value),
    "binary": _binary,
    "generic": _struct,
    "blob": lambda scalar: FileRef(scalar.blob.uri, scalar.blob.metadata.type.format),
    "structured_dataset": lambda scalar: FileRef(
        scalar.structured_dataset.uri,
        scalar.structured_dataset.metadata.structured_dataset_type.format,
    ),
    "schema": lambda scalar: FileRef(scalar.schema.uri),
}


def restore_ints(value: Any) -> Any:
    """Return JSON with whole floats as ints: a protobuf Struct makes every number a double."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: restore_ints(item) for key, item in value.items()}
    if isinstance(value, list):
        return [restore_ints(item) for item in value]
    return value
