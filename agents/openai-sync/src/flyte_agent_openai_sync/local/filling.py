"""Answers that fit a schema, made of what stands in the prompt: numbers near their names, choices it mentions."""

from __future__ import annotations

import json
import re
from typing import Any

from .words import best_sentences, sentences, split_question, words_of

_NUMBER = re.compile(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w])")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHORT = {"title", "headline", "subject", "name", "topic"}
_TITLE_WORDS = 8
_LIST_ITEMS = 3
_MAX_DEPTH = 8
_FAR = 1_000_000


class Filler:
    """
    Fills schemas from one prompt.

    Args:
        prompt: What the user said.
    """

    def __init__(self, prompt: str) -> None:
        self._text = split_question(prompt)[1]
        self._records = _records(prompt)
        self._definitions: dict[str, Any] = {}
        self._said = list(best_sentences(self._text, 8)) or [self._text.strip()]

    def fill(self, schema: dict[str, Any]) -> Any:
        """Return a value of the schema."""
        self._definitions = schema.get("$defs", {})
        return self._value(schema, "", None, 0)

    def _value(self, schema: dict[str, Any], name: str, record: Any, depth: int) -> Any:
        if "$ref" in schema:
            schema = self._definitions[schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            return self._any_of(schema["anyOf"], name, record, depth)
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        if "enum" in schema or "const" in schema:
            return self._choice(schema.get("enum") or [schema["const"]], name, record)
        if kind == "object":
            fields = schema.get("properties", {})
            return {
                key: self._value(inner, key, record, depth + 1) for key, inner in fields.items()
            }
        if kind == "array":
            return self._list(schema, name, depth)
        return self._simple(str(kind), schema, name, record)

    def _any_of(self, variants: list[dict[str, Any]], name: str, record: Any, depth: int) -> Any:
        real = [each for each in variants if each.get("type") != "null"]
        if depth > _MAX_DEPTH and len(real) < len(variants):
            return None
        return self._value(real[0], name, record, depth) if real else None

    def _list(self, schema: dict[str, Any], name: str, depth: int) -> list[Any]:
        inner = schema.get("items", {})
        if depth > _MAX_DEPTH:
            return []
        target = self._definitions.get(str(inner.get("$ref", "")).rpartition("/")[2], inner)
        if target.get("type") == "object":
            sources: list[Any] = [*self._records] or [None]
            count = schema.get("maxItems") or len(sources)
            return [self._value(inner, name, each, depth + 1) for each in sources[:count]]
        if target.get("type") == "string" and "enum" not in target:
            return self._said[:_LIST_ITEMS]
        if target.get("type") in ("integer", "number"):
            return [_as(target["type"], text) for text in _NUMBER.findall(self._text)][:_LIST_ITEMS]
        return [self._value(inner, name, None, depth + 1)]

    def _choice(self, choices: list[Any], name: str, record: Any) -> Any:
        if isinstance(record, dict) and record.get(name) in choices:
            return record[name]
        text = self._text.lower()
        found = [(text.find(str(each).lower()), each) for each in choices]
        mentioned = sorted((at, str(each), each) for at, each in found if at >= 0)
        return mentioned[0][2] if mentioned else choices[0]

    def _simple(self, kind: str, schema: dict[str, Any], name: str, record: Any) -> Any:
        given = _look_up(record if isinstance(record, dict) else self._first_record(), name)
        if kind == "boolean":
            return given if isinstance(given, bool) else bool(words_of(name) & words_of(self._text))
        if kind in ("integer", "number"):
            is_number = isinstance(given, (int, float)) and not isinstance(given, bool)
            return _as(kind, str(given)) if is_number else self._number(kind, schema, name)
        if kind == "null":
            return None
        return str(given) if given is not None else self._string(schema, name)

    def _first_record(self) -> Any:
        return self._records[0] if self._records else None

    def _number(self, kind: str, schema: dict[str, Any], name: str) -> float:
        wanted = words_of(f"{name} {schema.get('description', '')}")
        dates = [match.span() for match in _DATE.finditer(self._text)]
        places = [
            m.span() for m in re.finditer(r"[A-Za-z_]+", self._text) if wanted & words_of(m[0])
        ]
        best, nearest = "0", float("inf")
        for match in _NUMBER.finditer(self._text):
            in_date = any(start <= match.start() < end for start, end in dates)
            gaps = [max(match.start() - end, start - match.end()) for start, end in places]
            gap = min(gaps, default=_FAR) + (_FAR if in_date else 0)
            if gap < nearest:
                best, nearest = match[0], gap
        return _as(kind, best)

    def _string(self, schema: dict[str, Any], name: str) -> str:
        if schema.get("format") in ("date", "date-time"):
            found = _DATE.search(self._text)
            day = found[0] if found else "1970-01-01"
            return day if schema["format"] == "date" else f"{day}T00:00:00Z"
        if words_of(name) & _SHORT:
            title = " ".join(self._said[0].split()[:_TITLE_WORDS]).rstrip(".,;:")
            first = _shown(self._first_record())
            return f"{title}: {first}" if first else title
        wanted = words_of(f"{name} {schema.get('description', '')}")
        everything = sentences(self._text) or self._said
        best = max(everything, key=lambda sentence: len(wanted & words_of(sentence)))
        return best if wanted & words_of(best) else " ".join(self._said[:2])


def _records(text: str) -> list[dict[str, Any]]:
    """Return the records of the first JSON list in a text."""
    decoder = json.JSONDecoder()
    for match in re.finditer(r"\[\s*\{", text):
        try:
            found, _ = decoder.raw_decode(text, match.start())
        except ValueError:
            continue
        if all(isinstance(each, dict) for each in found):
            return list(found)
    return []


def _look_up(record: Any, name: str) -> Any:
    if not isinstance(record, dict):
        return None
    if name in record:
        return record[name]
    wanted = words_of(name)
    scored = [(len(wanted & words_of(key)), key) for key in record]
    score, key = max(scored, default=(0, ""))
    return record[key] if score else None


def _as(kind: str, text: str) -> float:
    number = float(text.replace(",", ""))
    return int(number) if kind == "integer" else number


def _shown(record: Any) -> str:
    values = list(record.values())[:2] if isinstance(record, dict) else []
    return ", ".join(f"{each:g}" if isinstance(each, float) else str(each) for each in values)
