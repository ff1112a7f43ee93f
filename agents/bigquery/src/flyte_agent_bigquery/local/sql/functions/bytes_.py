"""Bytes, hashes and encodings.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/hash_functions
"""

from __future__ import annotations

TABLE = """
LENGTH(BYTES) -> INT64 = octet_length({0})
BYTE_LENGTH(BYTES) -> INT64 = octet_length({0})
OCTET_LENGTH(BYTES) -> INT64 = octet_length({0})
CONCAT(BYTES...) -> BYTES = unhex(bq_join(list_transform([{*}], lambda b: hex(b))))
TO_HEX(BYTES) -> STRING = lower(hex({0}))
FROM_HEX(STRING) -> BYTES = bq_from_hex({0})
TO_BASE64(BYTES) -> STRING = to_base64({0})
FROM_BASE64(STRING) -> BYTES = from_base64({0})
MD5(STRING) -> BYTES = unhex(md5({0}))
MD5(BYTES) -> BYTES = unhex(md5({0}))
SHA1(STRING) -> BYTES = unhex(sha1({0}))
SHA1(BYTES) -> BYTES = unhex(sha1({0}))
SHA256(STRING) -> BYTES = unhex(sha256({0}))
SHA256(BYTES) -> BYTES = unhex(sha256({0}))
"""
