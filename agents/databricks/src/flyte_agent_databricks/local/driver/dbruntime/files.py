"""``dbutils.fs`` over the workspace's folder on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from .paths import on_disk


class FileInfo(NamedTuple):
    """
    What ``ls`` tells of a file.

    Attributes:
        path: As ``dbfs:/…`` or ``/Volumes/…``.
        name: Its last part; a folder's ends with ``/``.
        size: In bytes.
        modificationTime: In milliseconds since 1970.
    """

    path: str
    name: str
    size: int
    modificationTime: int  # noqa: N815  # the name that is used


class FileUtilities:
    """
    ``dbutils.fs``.

    Args:
        root: The workspace's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def ls(self, dir: str) -> list[FileInfo]:  # noqa: A002  # the name that is used
        """List a folder, or one file. Raises ``FileNotFoundError``."""
        found = self._at(dir)
        if not found.exists():
            raise FileNotFoundError(f"No such file or directory {dir}")
        entries = sorted(found.iterdir()) if found.is_dir() else [found]
        return [self._info(entry) for entry in entries]

    def mkdirs(self, dir: str) -> bool:  # noqa: A002  # as above
        """Make a folder and those above it."""
        self._at(dir).mkdir(parents=True, exist_ok=True)
        return True

    def put(self, file: str, contents: str, overwrite: bool = False) -> bool:  # noqa: FBT002  # as it is called
        """Write a file. Raises ``FileExistsError``."""
        target = self._at(file)
        if target.exists() and not overwrite:
            raise FileExistsError(f"{file} exists: use overwrite=True")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(contents, "utf-8")
        return True

    def head(self, file: str, max_bytes: int = 65_536) -> str:
        """Return the beginning of a file."""
        with self._at(file).open("rb") as stream:
            return stream.read(max_bytes).decode("utf-8", "replace")

    def cp(self, src: str, dst: str, recurse: bool = False) -> bool:  # noqa: FBT002  # as it is called
        """Copy a file, or a folder with ``recurse``."""
        source, target = self._at(src), self._at(dst)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir() and recurse:
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
        return True

    def mv(self, src: str, dst: str, recurse: bool = False) -> bool:  # noqa: FBT002  # as it is called
        """Move a file, or a folder with ``recurse``."""
        return self.cp(src, dst, recurse) and self.rm(src, recurse)

    def rm(self, dir: str, recurse: bool = False) -> bool:  # noqa: FBT002, A002  # as it is called
        """Remove a file, or a folder with ``recurse``; whether it was there."""
        target = self._at(dir)
        if target.is_dir() and recurse:
            shutil.rmtree(target)
        elif target.is_dir():
            target.rmdir()
        elif target.exists():
            target.unlink()
        else:
            return False
        return True

    def _at(self, path: str) -> Path:
        return on_disk(self._root, path)

    def _info(self, entry: Path) -> FileInfo:
        stat, inside = entry.stat(), entry.is_relative_to(self._root)
        path = f"/{entry.relative_to(self._root)}" if inside else f"file:{entry}"
        path = f"dbfs:{path.removeprefix('/dbfs')}" if path.startswith("/dbfs") else path
        name = f"{entry.name}/" if entry.is_dir() else entry.name
        size = 0 if entry.is_dir() else stat.st_size
        return FileInfo(path, name, size, int(stat.st_mtime * 1000))
