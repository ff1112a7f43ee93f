"""Functions that a table of signatures cannot describe."""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import coerce, fits, no_signature, value
from .dateparts import difference, interval_step, last_day, shifted, truncated
from .formats import formatted, parsed
from .literals import struct_call
from .names import json_key
from .parsing import Node
from .scope import Scope, Value
from .types import (
    DATE,
    DATETIME,
    JSON,
    NULL,
    STRING,
    TIME,
    TIMESTAMP,
    Type,
    array,
    physical,
    text,
)

Special = Callable[[list[Node], Scope, Node], Value]


def _struct(arguments: list[Node], scope: Scope, node: Node) -> Value:
    return struct_call(arguments, scope)


def _now(kind: Type) -> Special:
    def call(arguments: list[Node], scope: Scope, node: Node) -> Value:
        scope.query.volatile = True
        if kind == TIMESTAMP:
            return Value("now()", TIMESTAMP)
        zone = value(arguments[0], scope).sql if arguments else "'UTC'"
        clock = f"bq_local(now(), {zone})"
        return Value(f"CAST({clock} AS {physical(kind)})", kind)

    return call


def _error(arguments: list[Node], scope: Scope, node: Node) -> Value:
    found = value(arguments[0], scope)
    if found.type not in (STRING, NULL):
        raise no_signature("function ERROR", [found], scope, node)
    scope.query.volatile = True
    return Value(f"CAST(bq_fail({coerce(found, STRING).sql}) AS BIGINT)", NULL)


def _groups(pattern: str, scope: Scope, node: Node) -> int:
    """Capturing groups of a regular expression; BigQuery allows one."""
    bare = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "", pattern)
    count = len(re.findall(r"\((?!\?(?!P<))", bare))
    if count > 1:
        message = "Regular expressions passed into extraction functions must not have more than 1 capturing group"
        raise scope.query.error(message, node)
    if count and (re.search(r"\)[?*{]", bare) or re.search(r"\|", re.sub(r"\([^()]*\)", "", bare))):
        what = "a regular expression whose group may take no part in the match"
        raise refusal(what, "make the group take part", scope.query.at(node))
    return count


def _regexp(arguments: list[Node], scope: Scope, node: Node) -> tuple[str, str, int]:
    found = [value(argument, scope) for argument in arguments]
    if len(found) != 2 or {item.type for item in found} - {STRING, NULL}:
        what = "REGEXP_EXTRACT with a position, or of BYTES"
        raise refusal(what, "use two STRING arguments", scope.query.at(node))
    if found[1].literal is None:
        raise refusal("a regular expression that is not a constant", at=scope.query.at(node))
    return found[0].sql, text(found[1].literal), _groups(found[1].literal, scope, node)


def _regexp_extract(arguments: list[Node], scope: Scope, node: Node) -> Value:
    subject, pattern, group = _regexp(arguments, scope, node)
    sql = f"CASE WHEN regexp_matches({subject}, {pattern}, 'c') THEN regexp_extract({subject}, {pattern}, {group}) END"
    return Value(sql, STRING)


def _regexp_extract_all(arguments: list[Node], scope: Scope, node: Node) -> Value:
    subject, pattern, group = _regexp(arguments, scope, node)
    return Value(f"regexp_extract_all({subject}, {pattern}, {group})", array(STRING))


def _json_path(arguments: list[Node], scope: Scope, node: Node) -> str:
    """A constant JSONPath in DuckDB's spelling."""
    if len(arguments) < 2:
        return "'$'"
    found = value(arguments[1], scope)
    if found.literal is None:
        raise scope.query.error("JSONPath must be a string literal or query parameter", node)
    rest, path = found.literal, "$"
    if not rest.startswith("$"):
        raise scope.query.error("JSONPath must start with '$'", node)
    rest = rest[1:]
    step = re.compile(
        r"""\.(?P<name>[A-Za-z_][\w-]*)|\.?\[(?P<quote>['"])(?P<key>.*?)(?P=quote)\]|\."(?P<dotted>[^"]*)"|\[(?P<index>\d+)\]"""
    )
    while rest:
        match = step.match(rest)
        if match is None:
            raise refusal(
                f"the JSONPath {found.literal!r}", "use names and numbers", scope.query.at(node)
            )
        key = match["name"] or match["key"] or match["dotted"]
        path += f"[{match['index']}]" if match["index"] else f".{json_key(key)}"
        rest = rest[match.end() :]
    return text(path)


def _json(macro: str, gives: Type, of_json: Type | None = None) -> Special:
    def call(arguments: list[Node], scope: Scope, node: Node) -> Value:
        found = value(arguments[0], scope)
        path = _json_path(arguments, scope, node)
        if found.type == JSON and of_json == JSON:
            return Value(f"json_extract({found.sql}, {path})", JSON)
        if found.type not in (STRING, JSON, NULL):
            raise no_signature("a JSON function", [found], scope, node)
        kind = array(JSON) if found.type == JSON and gives == array(STRING) and of_json else gives
        return Value(_cast_items(f"{macro}(CAST({found.sql} AS VARCHAR), {path})", kind), kind)

    return call


def _cast_items(sql: str, kind: Type) -> str:
    return f"CAST({sql} AS VARCHAR[])" if kind == array(STRING) else sql


def _json_values(arguments: list[Node], scope: Scope, node: Node) -> Value:
    found, path = value(arguments[0], scope), _json_path(arguments, scope, node)
    if found.type not in (STRING, JSON, NULL):
        raise no_signature("JSON_VALUE_ARRAY", [found], scope, node)
    items = f"bq_json_items(CAST({found.sql} AS VARCHAR), {path})"
    return Value(f"list_transform({items}, lambda j: json_extract_string(j, '$'))", array(STRING))


def _dates_between(kind: Type) -> Special:
    def call(arguments: list[Node], scope: Scope, node: Node) -> Value:
        found = [value(argument, scope) for argument in arguments[:2]]
        if len(found) != 2 or not all(fits(item, kind) for item in found):
            raise no_signature(f"GENERATE_{kind}_ARRAY", found, scope, node)
        first, last = (coerce(item, kind).sql for item in found)
        step = _step(arguments[2] if len(arguments) > 2 else None, kind, scope, node)
        stored = physical(kind)
        sql = f"list_transform(generate_series({first}, {last}, {step}), lambda d: CAST(d AS {stored}))"
        return Value(sql, array(kind))

    return call


def _step(interval: Node | None, kind: Type, scope: Scope, node: Node) -> str:
    if interval is None and kind == DATE:
        return "to_days(1)"
    if not isinstance(interval, exp.Interval) or interval.args.get("unit") is None:
        raise scope.query.error(f"GENERATE_{kind}_ARRAY needs INTERVAL number PART", node)
    part = interval.args["unit"].name.upper()
    if part in ("MONTH", "QUARTER", "YEAR"):
        what = f"GENERATE_{kind}_ARRAY with steps of a {part}"
        raise refusal(what, "use DATE_ADD over GENERATE_ARRAY", scope.query.at(node))
    number = interval.this.name
    if not re.fullmatch(r"-?[1-9]\d*", number):
        raise refusal("a step that is not a constant", at=scope.query.at(node))
    return interval_step(number, part)


def _safe_string(arguments: list[Node], scope: Scope, node: Node) -> Value:
    scope.query.volatile = True
    return Value("'local@stand-in.invalid'", STRING)


SPECIAL: dict[str, Special] = {
    "CURRENT_DATE": _now(DATE),
    "CURRENT_DATETIME": _now(DATETIME),
    "CURRENT_TIME": _now(TIME),
    "CURRENT_TIMESTAMP": _now(TIMESTAMP),
    "DATETIME_ADD": shifted("DATETIME", "+"),
    "DATETIME_DIFF": difference("DATETIME"),
    "DATETIME_SUB": shifted("DATETIME", "-"),
    "DATETIME_TRUNC": truncated("DATETIME"),
    "DATE_ADD": shifted("DATE", "+"),
    "DATE_DIFF": difference("DATE"),
    "DATE_SUB": shifted("DATE", "-"),
    "DATE_TRUNC": truncated("DATE"),
    "ERROR": _error,
    "FORMAT_DATE": formatted("DATE"),
    "FORMAT_DATETIME": formatted("DATETIME"),
    "FORMAT_TIME": formatted("TIME"),
    "FORMAT_TIMESTAMP": formatted("TIMESTAMP"),
    "GENERATE_DATE_ARRAY": _dates_between(DATE),
    "GENERATE_TIMESTAMP_ARRAY": _dates_between(TIMESTAMP),
    "JSON_EXTRACT": _json("bq_json_query", STRING, JSON),
    "JSON_EXTRACT_ARRAY": _json("bq_json_items", array(STRING), array(JSON)),
    "JSON_EXTRACT_SCALAR": _json("bq_json_value", STRING),
    "JSON_EXTRACT_STRING_ARRAY": _json_values,
    "JSON_QUERY": _json("bq_json_query", STRING, JSON),
    "JSON_QUERY_ARRAY": _json("bq_json_items", array(STRING), array(JSON)),
    "JSON_VALUE": _json("bq_json_value", STRING),
    "JSON_VALUE_ARRAY": _json_values,
    "LAST_DAY": last_day,
    "PARSE_DATE": parsed("DATE"),
    "PARSE_DATETIME": parsed("DATETIME"),
    "PARSE_TIME": parsed("TIME"),
    "PARSE_TIMESTAMP": parsed("TIMESTAMP"),
    "REGEXP_EXTRACT": _regexp_extract,
    "REGEXP_EXTRACT_ALL": _regexp_extract_all,
    "REGEXP_SUBSTR": _regexp_extract,
    "SESSION_USER": _safe_string,
    "STRUCT": _struct,
    "TIMESTAMP_ADD": shifted("TIMESTAMP", "+"),
    "TIMESTAMP_DIFF": difference("TIMESTAMP"),
    "TIMESTAMP_SUB": shifted("TIMESTAMP", "-"),
    "TIMESTAMP_TRUNC": truncated("TIMESTAMP"),
    "TIME_ADD": shifted("TIME", "+"),
    "TIME_SUB": shifted("TIME", "-"),
    "TIME_TRUNC": truncated("TIME"),
}
