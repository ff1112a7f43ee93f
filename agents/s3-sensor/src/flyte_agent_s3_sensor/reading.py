"""
Reading the version of an object that a sensor saw.

A ``FlyteFile`` at ``s3://bucket/key?versionId=…`` is what flytekit hands to fsspec, which takes the
``?`` for a wildcard when it downloads. Importing :class:`S3Sensor` puts a file system in the place
of s3fs's that leaves such an address alone; for every other address the two are the same.
"""

from __future__ import annotations

from typing import Any

from s3fs import S3FileSystem

_VERSION = "?versionId="


class VersionedS3FileSystem(S3FileSystem):
    """s3fs's file system; what names a version is that version."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("version_aware", True)
        super().__init__(*args, **options)

    async def _get(self, rpath: Any, lpath: Any, *args: Any, **options: Any) -> Any:
        if isinstance(rpath, str) and _VERSION in rpath:
            rpath, lpath = (
                [self._strip_protocol(rpath)],
                [str(lpath)],
            )  # lists are taken as they are
        return await super()._get(rpath, lpath, *args, **options)
