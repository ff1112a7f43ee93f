"""
Reading the version of an object that a sensor saw.

A ``FlyteFile`` at ``s3://bucket/key?versionId=…`` is what flytekit hands to fsspec, which takes the
``?`` for a wildcard when it downloads. A sensor whose files are pinned puts a file system in the
place of s3fs's that leaves such an address alone. Every other address it leaves to s3fs as it is:
a file system made for versions lists them all and reads by version, and needs two more permissions.
"""

from __future__ import annotations

from typing import Any

from s3fs import S3FileSystem

_VERSION = "?versionId="


class VersionedS3FileSystem(S3FileSystem):
    """s3fs's file system; what names a version is read by a second one, which is made for them."""

    def _open(self, path: str, *args: Any, **options: Any) -> Any:
        return _of(self, "_open", path)(path, *args, **options)

    async def _info(self, path: str, *args: Any, **options: Any) -> Any:
        return await _of(self, "_info", path)(path, *args, **options)

    async def _exists(self, path: str) -> Any:
        return await _of(self, "_exists", path)(path)

    async def _isdir(self, path: str) -> Any:
        return await _of(self, "_isdir", path)(path)

    async def _cat_file(self, path: str, *args: Any, **options: Any) -> Any:
        return await _of(self, "_cat_file", path)(path, *args, **options)

    async def _get_file(self, rpath: str, lpath: Any, *args: Any, **options: Any) -> Any:
        return await _of(self, "_get_file", rpath)(rpath, lpath, *args, **options)

    async def _get(self, rpath: Any, lpath: Any, *args: Any, **options: Any) -> Any:
        if _has_version(rpath):
            # Lists are taken as they are.
            rpath, lpath = [self._strip_protocol(rpath)], [str(lpath)]
        return await super()._get(rpath, lpath, *args, **options)


def _of(files: VersionedS3FileSystem, method: str, path: Any) -> Any:
    """Return s3fs's own method for a path, of this file system or of one made for versions."""
    if not _has_version(path) or files.version_aware:
        return getattr(super(VersionedS3FileSystem, files), method)
    options = {**files.storage_options, "version_aware": True}
    return getattr(VersionedS3FileSystem(*files.storage_args, **options), method)


def _has_version(path: Any) -> bool:
    return isinstance(path, str) and _VERSION in path
