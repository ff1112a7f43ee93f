"""Strings.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/string_functions
"""

from __future__ import annotations

TABLE = r"""
LENGTH(STRING) -> INT64 = bq_chars({0})
CHAR_LENGTH(STRING) -> INT64 = bq_chars({0})
CHARACTER_LENGTH(STRING) -> INT64 = bq_chars({0})
BYTE_LENGTH(STRING) -> INT64 = strlen({0})
OCTET_LENGTH(STRING) -> INT64 = strlen({0})
UPPER(STRING) -> STRING = upper(bq_plain_case({0}))
LOWER(STRING) -> STRING = lower(bq_plain_case({0}))
CONCAT(STRING...) -> STRING = bq_join([{*}])
SUBSTR(STRING, INT64) -> STRING = bq_substr({0}, {1}, 9223372036854775807)
SUBSTR(STRING, INT64, INT64) -> STRING = bq_substr({0}, {1}, {2})
SUBSTRING(STRING, INT64) -> STRING = bq_substr({0}, {1}, 9223372036854775807)
SUBSTRING(STRING, INT64, INT64) -> STRING = bq_substr({0}, {1}, {2})
LEFT(STRING, INT64) -> STRING = bq_left({0}, {1})
RIGHT(STRING, INT64) -> STRING = bq_right({0}, {1})
TRIM(STRING) -> STRING = regexp_replace({0}, '^[\s\v\x{85}\pZ]+|[\s\v\x{85}\pZ]+$', '', 'g')
LTRIM(STRING) -> STRING = regexp_replace({0}, '^[\s\v\x{85}\pZ]+', '')
RTRIM(STRING) -> STRING = regexp_replace({0}, '[\s\v\x{85}\pZ]+$', '')
TRIM(STRING, STRING) -> STRING = trim({0}, {1})
LTRIM(STRING, STRING) -> STRING = ltrim({0}, {1})
RTRIM(STRING, STRING) -> STRING = rtrim({0}, {1})
LPAD(STRING, INT64) -> STRING = bq_pad({0}, {1}, ' ', lpad({0}, CAST({1} AS INTEGER), ' '))
LPAD(STRING, INT64, STRING) -> STRING = bq_pad({0}, {1}, {2}, lpad({0}, CAST({1} AS INTEGER), {2}))
RPAD(STRING, INT64) -> STRING = bq_pad({0}, {1}, ' ', rpad({0}, CAST({1} AS INTEGER), ' '))
RPAD(STRING, INT64, STRING) -> STRING = bq_pad({0}, {1}, {2}, rpad({0}, CAST({1} AS INTEGER), {2}))
REPEAT(STRING, INT64) -> STRING = bq_repeat({0}, {1})
REVERSE(STRING) -> STRING = bq_join(list_reverse(bq_letters({0})))
REPLACE(STRING, STRING, STRING) -> STRING = CASE WHEN {1} = '' THEN {0} ELSE replace({0}, {1}, {2}) END
TRANSLATE(STRING, STRING, STRING) -> STRING = bq_translate({0}, {1}, {2})
SPLIT(STRING) -> ARRAY<STRING> = bq_split({0}, ',')
SPLIT(STRING, STRING) -> ARRAY<STRING> = bq_split({0}, {1})
STARTS_WITH(STRING, STRING) -> BOOL = starts_with({0}, {1})
ENDS_WITH(STRING, STRING) -> BOOL = ends_with({0}, {1})
STRPOS(STRING, STRING) -> INT64 = bq_position({0}, {1})
INSTR(STRING, STRING) -> INT64 = bq_position({0}, {1})
ASCII(STRING) -> INT64 = bq_ascii({0})
UNICODE(STRING) -> INT64 = CASE WHEN {0} = '' THEN 0 ELSE CAST(unicode({0}) AS BIGINT) END
CHR(INT64) -> STRING = CASE WHEN {0} = 0 THEN '' ELSE chr(CAST({0} AS INTEGER)) END
TO_CODE_POINTS(STRING) -> ARRAY<INT64> = list_transform(bq_letters({0}), lambda c: CAST(unicode(c) AS BIGINT))
CODE_POINTS_TO_STRING(ARRAY<INT64>) -> STRING = bq_join(list_transform({0}, lambda c: chr(CAST(c AS INTEGER))))
INITCAP(STRING) -> STRING = bq_initcap({0})
EDIT_DISTANCE(STRING, STRING) -> INT64 = CAST(levenshtein({0}, {1}) AS BIGINT)
REGEXP_CONTAINS(STRING, STRING) -> BOOL = regexp_matches({0}, {1}, 'c')
REGEXP_REPLACE(STRING, STRING, STRING) -> STRING = bq_regexp_replace({0}, {1}, {2})
"""
