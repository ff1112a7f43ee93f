"""Arrays.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/array_functions
"""

from __future__ import annotations

TABLE = """
ARRAY_LENGTH(ARRAY<T>) -> INT64 = CAST(len({0}) AS BIGINT)
ARRAY_REVERSE(ARRAY<T>) -> ARRAY<T> = list_reverse({0})
ARRAY_CONCAT(ARRAY<T>...) -> ARRAY<T> = bq_array_concat([{*}])
ARRAY_TO_STRING(ARRAY<STRING>, STRING) -> STRING = bq_array_to_string({0}, {1})
ARRAY_TO_STRING(ARRAY<STRING>, STRING, STRING) -> STRING = bq_array_to_string(bq_no_nulls({0}, {2}), {1})
ARRAY_FIRST(ARRAY<T>) -> T = bq_element({0}, 0)
ARRAY_LAST(ARRAY<T>) -> T = bq_element({0}, len({0}) - 1)
GENERATE_ARRAY(INT64, INT64) -> ARRAY<INT64> = generate_series({0}, {1})
GENERATE_ARRAY(INT64, INT64, INT64) -> ARRAY<INT64> = bq_generate_array({0}, {1}, {2})
GENERATE_ARRAY(FLOAT64, FLOAT64) -> ARRAY<FLOAT64> = [CAST(bq_refuse('GENERATE_ARRAY of FLOAT64') AS DOUBLE)]
GENERATE_ARRAY(FLOAT64, FLOAT64, FLOAT64) -> ARRAY<FLOAT64> = [CAST(bq_refuse('GENERATE_ARRAY of FLOAT64') AS DOUBLE)]
"""
