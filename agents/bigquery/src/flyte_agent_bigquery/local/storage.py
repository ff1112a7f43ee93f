"""Cloud Storage, as a folder: ``gs://bucket/path`` is ``<folder>/bucket/path``."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from .errors import BigQueryError, not_found


class Storage:
    """Finds the files behind URIs.

    Args:
        root: The folder with a folder for each bucket; without one, only ``file://`` works.
    """

    def __init__(self, root: Path | None) -> None:
        self._root = root.resolve() if root is not None else None

    def path(self, uri: str) -> Path:
        """The file of a URI. Raises ``BigQueryError`` for a URI that cannot be one."""
        parts = urlsplit(uri)
        if parts.scheme == "file":
            return Path(unquote(parts.path))
        if parts.scheme != "gs" or not parts.netloc or len(parts.path) < 2:
            raise BigQueryError(
                "invalid", f"Source URI must be a Google Cloud Storage location: {uri}"
            )
        if self._root is None:
            message = f"{uri}: the local stand-in has no folder for gs:// (start it with gcs_dir=, or use file://)"
            raise BigQueryError("notFound", message)
        # A URI is no way out of the folder.
        found = Path(os.path.normpath(self._root / parts.netloc / parts.path[1:]))
        if self._root not in found.parents:
            raise BigQueryError("invalid", f"Source URI leaves its bucket: {uri}")
        return found

    def files(self, uris: list[str]) -> list[Path]:
        """The files that URIs with ``*`` name. Raises ``BigQueryError`` (``notFound``) when there are none."""
        found: list[Path] = []
        for uri in uris:
            pattern = self.path(uri)
            fixed = pattern
            while "*" in str(fixed):
                fixed = fixed.parent
            rest = str(pattern.relative_to(fixed))
            matches = sorted(fixed.glob(rest)) if "*" in rest else [pattern]
            files = [path for path in matches if path.is_file()]
            if not files:
                raise not_found("URI", uri)
            found += files
        return found

    def target(self, uri: str) -> Path:
        """The file to write for a URI; its ``*`` becomes the number of the first shard."""
        path = self.path(uri.replace("*", "0" * 12))
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@contextmanager
def uploaded(content: bytes, suffix: str) -> Iterator[Path]:
    """An upload as a file, for as long as it is read."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    with tempfile.TemporaryDirectory(prefix="bq-upload-") as folder:
        path = Path(folder) / f"upload{suffix}"
        path.write_bytes(content)
        yield path
