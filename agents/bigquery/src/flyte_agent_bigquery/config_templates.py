"""
``{inputs.name}`` in the URIs and table names of a load, extract or copy job.

The author's side checks the placeholders and writes them into the configuration; the agent puts
the values in, which cannot add anything but a name: see :func:`fill_text`.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid

from .config_names import table_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .types import RestType

PLACEHOLDER = re.compile(r"\{inputs\.(\w+)(?::([^{}]*))?\}")
TEMPLATE_TYPES = ("STRING", "INT64", "DATE", "DATETIME", "TIMESTAMP")
"""Types of inputs that may be written into a name."""

_FORMAT = re.compile(r"(?:%[YmdHMSj]|[\w./=-])+")
_PART = re.compile(r"[\w ./:=+~@-]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\x00-\x1f{}]+")
_DEFAULT_FORMATS = {"DATE": "%Y-%m-%d"}


def uris(field: str, given: str | list[str]) -> list[str]:
    """
    Return one or several URI templates as a list.

    Raises:
        InvalidConfig: There is none, or one has no scheme such as ``gs://``.
    """
    listed = [given] if isinstance(given, str) else list(given)
    if not listed:
        raise invalid(field, listed, "at least one URI")
    for uri in listed:
        if not _URI.fullmatch(PLACEHOLDER.sub("x", uri)) and not PLACEHOLDER.match(uri):
            raise invalid(field, uri, "a URI such as 'gs://bucket/folder/*.parquet'")
    return listed


def table_template(field: str, text: str, project: str | None) -> dict[str, str]:
    """
    Return the REST ``TableReference`` of a table's name that may hold placeholders.

    A name that is one placeholder, for an input with a whole table (``bq://…`` or
    ``project.dataset.table``), is kept as the ``tableId`` alone.

    Raises:
        InvalidConfig: It is not a table's name.
    """
    if PLACEHOLDER.fullmatch(text):
        return {"tableId": text}
    held: list[str] = []

    def hold(match: re.Match[str]) -> str:
        held.append(match[0])
        return f"__{len(held) - 1}__"

    made = table_reference(field, PLACEHOLDER.sub(hold, text), project)
    for index, placeholder in enumerate(held):
        made = {key: value.replace(f"__{index}__", placeholder) for key, value in made.items()}
    return made


def check_placeholders(configuration: Any, types: Mapping[str, RestType]) -> None:
    """
    Compare the placeholders of a configuration with the declared inputs.

    Raises:
        InvalidConfig: One of them has no counterpart, or a type that is no part of a name.
    """
    found = {m[1]: m[2] for text in _texts(configuration) for m in PLACEHOLDER.finditer(text)}
    for name, spec in found.items():
        if name not in types:
            repair = did_you_mean(name, types) or f"Declare it: inputs={{{name!r}: str}}."
            raise invalid("job", f"{{inputs.{name}}}", "an input of that name", repair)
        _check_spec(name, types[name]["type"], spec)
    for name in types:
        if name not in found:
            repair = f"Write {{inputs.{name}}} in a URI or table name, or remove the input."
            raise invalid("inputs", name, "an input that the job uses", repair)


def fill(configuration: Mapping[str, Any], values: Mapping[str, Any], types: Mapping[str, RestType],
         project: str | None) -> dict[str, Any]:  # fmt: skip
    """
    Return a load, extract or copy configuration with the values of the inputs in it.

    Raises:
        InvalidConfig: A value is NULL, or would be more than a part of a name.
    """

    def filled(node: Any, field: str) -> Any:
        if isinstance(node, str):
            return fill_text(node, values, types)
        if isinstance(node, list):
            return [filled(item, field) for item in node]
        if isinstance(node, dict) and "tableId" in node:
            return _fill_table(node, field, lambda text: fill_text(text, values, types), project)
        return (
            {key: filled(item, key) for key, item in node.items()}
            if isinstance(node, dict)
            else node
        )

    return {key: filled(part, key) for key, part in configuration.items()}


def fill_text(text: str, values: Mapping[str, Any], types: Mapping[str, RestType]) -> str:
    """
    Return ``text`` with its placeholders filled.

    A value at the beginning may be a whole URI or table; anywhere else it is letters, digits,
    spaces and ``_ - . / : = + ~ @``, so that it cannot add a wildcard.
    """

    def value_of(match: re.Match[str]) -> str:
        name, spec = match[1], match[2]
        made = _text_of(name, values.get(name), types[name]["type"], spec)
        if not _PART.fullmatch(made) and not (match.start() == 0 and _URI.fullmatch(made)):
            raise invalid(
                f"input {name!r}", made, "a part of a name: letters, digits, spaces, _-./:=+~@",
                "Pass the name itself.",
            )  # fmt: skip
        return made

    return PLACEHOLDER.sub(value_of, text)


def _fill_table(
    node: Mapping[str, Any], field: str, put: Callable[[str], str], project: str | None
) -> dict[str, Any]:
    if "datasetId" not in node:
        return table_reference(field, put(node["tableId"]), project)
    parts = (node.get("projectId"), node["datasetId"], node["tableId"])
    return table_reference(field, ".".join(put(part) for part in parts if part), project)


def _text_of(name: str, value: Any, kind: str, spec: str | None) -> str:
    if value is None:
        raise invalid(f"input {name!r}", None, "a value to write into a name")
    if isinstance(value, dt.date):  # a datetime is a date
        return value.strftime(spec or _DEFAULT_FORMATS[kind])
    return str(value)


def _check_spec(name: str, kind: str, spec: str | None) -> None:
    where = f"{{inputs.{name}}}"
    if kind not in TEMPLATE_TYPES:
        raise invalid(where, kind, f"an input of type {', '.join(TEMPLATE_TYPES)}")
    is_time = kind in ("DATE", "DATETIME", "TIMESTAMP")
    if spec is None and is_time and kind not in _DEFAULT_FORMATS:
        raise invalid(where, kind, "a format", f"Write {{inputs.{name}:%Y%m%d%H}}.")
    if spec is not None and (not is_time or not _FORMAT.fullmatch(spec)):
        raise invalid(
            where, spec, "a format of %Y %m %d %H %M %S %j for a date or datetime, else none"
        )


def _texts(node: Any) -> list[str]:
    if isinstance(node, str):
        return [node]
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [text for item in inner for text in _texts(item)]
