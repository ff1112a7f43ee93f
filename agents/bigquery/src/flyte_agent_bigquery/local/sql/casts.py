"""``CAST`` and ``SAFE_CAST``, pair by pair.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/conversion_functions
"""

from __future__ import annotations

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import coerce, compiles, fits, no_signature, parsed, typed, value
from .literals import type_of
from .parsing import Node
from .scope import Scope, Value
from .types import LITERAL_KINDS, NULL, STRING, Type, quote, stored_name, text

# {0} is the value. What is missing here BigQuery does not allow, or is refused below.
_CASTS: dict[tuple[str, str], str] = {
    ("INT64", "FLOAT64"): "CAST({0} AS DOUBLE)",
    ("INT64", "NUMERIC"): "CAST({0} AS DECIMAL(38,9))",
    ("INT64", "BIGNUMERIC"): "CAST({0} AS DECIMAL(38,18))",
    ("INT64", "STRING"): "CAST({0} AS VARCHAR)",
    ("INT64", "BOOL"): "({0} <> 0)",
    # DuckDB rounds halves to even.
    ("FLOAT64", "INT64"): "CAST(round({0}) AS BIGINT)",
    ("FLOAT64", "NUMERIC"): "bq_float_numeric({0})",
    ("FLOAT64", "STRING"): "bq_float_text({0})",
    ("NUMERIC", "INT64"): "CAST({0} AS BIGINT)",
    ("NUMERIC", "FLOAT64"): "CAST({0} AS DOUBLE)",
    ("NUMERIC", "BIGNUMERIC"): "CAST({0} AS DECIMAL(38,18))",
    ("NUMERIC", "STRING"): "bq_numeric_text({0})",
    ("BIGNUMERIC", "INT64"): "CAST({0} AS BIGINT)",
    ("BIGNUMERIC", "FLOAT64"): "CAST({0} AS DOUBLE)",
    ("BIGNUMERIC", "NUMERIC"): "CAST({0} AS DECIMAL(38,9))",
    ("BIGNUMERIC", "STRING"): "bq_numeric_text({0})",
    ("BOOL", "INT64"): "CAST({0} AS BIGINT)",
    ("BOOL", "STRING"): "CAST({0} AS VARCHAR)",
    ("STRING", "INT64"): "bq_parse_int64({0})",
    ("STRING", "FLOAT64"): "bq_parse_float64({0})",
    ("STRING", "NUMERIC"): "bq_parse_numeric({0})",
    ("STRING", "BIGNUMERIC"): "bq_parse_bignumeric({0})",
    ("STRING", "BOOL"): "bq_parse_bool({0})",
    ("STRING", "BYTES"): "encode({0})",
    ("BYTES", "STRING"): "decode({0})",
    ("DATE", "STRING"): "CAST({0} AS VARCHAR)",
    ("DATE", "DATETIME"): "CAST({0} AS TIMESTAMP)",
    ("DATE", "TIMESTAMP"): "CAST({0} AS TIMESTAMPTZ)",
    ("DATETIME", "STRING"): "bq_datetime_text({0}, ' ')",
    ("DATETIME", "DATE"): "CAST({0} AS DATE)",
    ("DATETIME", "TIME"): "CAST({0} AS TIME)",
    ("DATETIME", "TIMESTAMP"): "CAST({0} AS TIMESTAMPTZ)",
    ("TIMESTAMP", "STRING"): "bq_timestamp_text({0})",
    ("TIMESTAMP", "DATE"): "CAST(CAST({0} AS TIMESTAMP) AS DATE)",
    ("TIMESTAMP", "TIME"): "CAST(CAST({0} AS TIMESTAMP) AS TIME)",
    ("TIMESTAMP", "DATETIME"): "CAST({0} AS TIMESTAMP)",
    ("TIME", "STRING"): "bq_time_text({0})",
    ("INTERVAL", "STRING"): "bq_interval_text({0})",
}
# BigQuery can, this machine cannot.
_REFUSED = {("STRING", "INTERVAL"), ("STRING", "GEOGRAPHY"), ("BYTES", "GEOGRAPHY")}


@compiles(exp.Cast, exp.TryCast)
def _cast(node: exp.Cast, scope: Scope) -> Value:
    if node.args.get("format"):
        raise refusal("CAST(… FORMAT …)", "use PARSE_DATE or FORMAT_DATE", scope.query.at(node))
    target = type_of(node.args["to"], scope)
    found = value(node.this, scope)
    if target.kind == "STRUCT" and isinstance(node.this, exp.Struct):
        return _typed_struct(found, target, scope, node)
    if not isinstance(node, exp.TryCast):
        return cast(found, target, scope, node)
    if found.literal is not None:  # is tried for the row, not refused now
        found = Value(found.sql, found.type, constant=found.constant)
    converted = cast(found, target, scope, node)
    return Value(f"TRY({converted.sql})", target, constant=found.constant)


def cast(found: Value, target: Type, scope: Scope, node: Node) -> Value:
    """Convert explicitly. Raises ``BigQueryError`` when BigQuery or this machine cannot."""
    source = found.type
    pair = (source.kind, target.kind)
    if source in (target, NULL) or (found.type.element == NULL and target.element):
        return coerce(found, target)
    if source == STRING and target.kind in LITERAL_KINDS:
        return parsed(found, target)
    if found.written is not None and target.kind in ("NUMERIC", "BIGNUMERIC"):
        return coerce(found, target)
    if template := _CASTS.get(pair):
        return Value(template.format(found.sql), target, constant=found.constant)
    if source.element is not None and target.element is not None:
        return _cast_array(found, target, scope, node)
    if pair == ("STRUCT", "STRUCT") and len(source.fields) == len(target.fields):
        return _cast_struct(found, target, scope, node)
    if pair in _REFUSED:
        raise refusal(f"CAST from {source} to {target}", at=scope.query.at(node))
    raise scope.query.error(f"Invalid cast from {source} to {target}", node)


def _cast_array(found: Value, target: Type, scope: Scope, node: Node) -> Value:
    item = cast(Value("item", found.type.of), target.of, scope, node)
    return Value(f"list_transform({found.sql}, lambda item: {item.sql})", target)


def _cast_struct(found: Value, target: Type, scope: Scope, node: Node) -> Value:
    parts = []
    for place, ((_, left), (_, right)) in enumerate(
        zip(found.type.fields, target.fields, strict=True)
    ):
        old = text(stored_name(found.type, place))
        part = cast(Value(f"struct_extract({found.sql}, {old})", left), right, scope, node)
        parts.append(f"{quote(stored_name(target, place))} := {part.sql}")
    packed = f"struct_pack({', '.join(parts)})"
    return Value(f"CASE WHEN {found.sql} IS NULL THEN NULL ELSE {packed} END", target)


def _typed_struct(found: Value, target: Type, scope: Scope, node: exp.Cast) -> Value:
    """``STRUCT<a INT64, b STRING>(1, 'x')``: each value coerces to its field."""
    items = [value(item, scope) for item in node.this.expressions]
    if len(items) != len(target.fields):
        message = (
            f"STRUCT type has {len(target.fields)} fields but constructor call has {len(items)}"
        )
        raise scope.query.error(message, node)
    parts = []
    for place, (item, (_, kind)) in enumerate(zip(items, target.fields, strict=True)):
        if not fits(item, kind):
            raise no_signature(f"STRUCT field {place + 1} of type {kind}", [item], scope, node)
        parts.append(f"{quote(stored_name(target, place))} := {coerce(item, kind).sql}")
    constant = all(item.constant for item in items)
    return Value(f"struct_pack({', '.join(parts)})", target, constant=constant)


@compiles(exp.ParseJSON)
def _json_literal(node: exp.ParseJSON, scope: Scope) -> Value:
    found = typed(value(node.this, scope))
    if found.type != STRING:
        raise no_signature("JSON", [found], scope, node)
    return Value(f"CAST({found.sql} AS JSON)", Type("JSON"), constant=found.constant)
