"""JSON. Functions with a path are in :mod:`..special`: the path is translated.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/json_functions
"""

from __future__ import annotations

TABLE = """
PARSE_JSON(STRING) -> JSON = bq_parse_json({0})
JSON_TYPE(JSON) -> STRING = bq_json_type({0})
BOOL(JSON) -> BOOL = bq_json_bool({0})
INT64(JSON) -> INT64 = bq_json_int64({0})
FLOAT64(JSON) -> FLOAT64 = bq_json_float64({0})
STRING(JSON) -> STRING = bq_json_string({0})
"""
