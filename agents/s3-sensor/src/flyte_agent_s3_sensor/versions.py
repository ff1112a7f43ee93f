"""Puts the reader of :mod:`flyte_agent_s3_sensor.reading` in place, without importing s3fs; sensors do it."""

from __future__ import annotations

import fsspec

PROTOCOLS = ("s3", "s3a")
_READER = "flyte_agent_s3_sensor.reading.VersionedS3FileSystem"


def register() -> None:
    """Have fsspec use it for ``s3://``; it is imported when the first file is opened."""
    for protocol in PROTOCOLS:
        fsspec.register_implementation(protocol, _READER, clobber=True)
