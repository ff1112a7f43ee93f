"""An answer of the model as the value of the declared type, or a list of what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .schema import PAIRS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .config import AnswerForm

_SHOWN_PROBLEMS = 5


class NotTheForm(ValueError):
    """The answer does not have the form; the text says where, for the model and for people."""


def decoded(form: AnswerForm, text: str) -> Any:
    """
    Return the value in an answer.

    Raises:
        NotTheForm: It does not fit.
    """
    schema = form.json_schema
    if schema is None:
        return text
    try:
        found = json.loads(text)
    except ValueError as error:
        raise NotTheForm(f"the answer is no JSON: {error}") from None
    if problems := _problems(schema, found):
        raise NotTheForm("; ".join(problems))
    value = _restored(found, schema, schema.get("$defs", {}))
    return value["value"] if form.wrapped else value


def _problems(schema: Mapping[str, Any], value: Any) -> list[str]:
    import jsonschema

    found = sorted(
        jsonschema.Draft202012Validator(schema).iter_errors(value),
        key=lambda error: str(error.path),
    )
    return [f"{error.json_path}: {error.message[:200]}" for error in found[:_SHOWN_PROBLEMS]]


def _restored(value: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    """Return ``value`` with mappings for lists of pairs, and whole numbers where some were meant."""
    if "$ref" in schema:
        return _restored(value, definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        return _restored(value, _fitting(value, schema["anyOf"], definitions), definitions)
    if isinstance(value, list):
        inner = schema.get("items", {})
        items = [_restored(item, inner, definitions) for item in value]
        if schema.get("description") == PAIRS:
            return {item["key"]: item["value"] for item in items}
        return items
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        return {name: _restored(v, fields.get(name, {}), definitions) for name, v in value.items()}
    if isinstance(value, float) and schema.get("type") == "integer":
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and schema.get("type") == "number":
        return float(value)
    return value


def _fitting(
    value: Any, variants: list[Mapping[str, Any]], definitions: Mapping[str, Any]
) -> Mapping[str, Any]:
    for variant in variants:
        if not _problems({**variant, "$defs": definitions}, value):
            return variant
    return {}
