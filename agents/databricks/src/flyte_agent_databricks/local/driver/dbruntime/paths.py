"""Where a path of a workspace is on this machine's disk."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

_ROOTS = ("Workspace", "Volumes", "dbfs")
_SUFFIXES = ("", ".py", ".ipynb", ".sql")


class OutsideError(ValueError):
    """A path that leads out of the workspace."""


def on_disk(root: Path, path: str, *, default: str = "dbfs") -> Path:
    """
    Return the file that a path stands for.

    Args:
        root: The folder with ``Workspace``, ``Volumes`` and ``dbfs``.
        path: ``/Workspace/…``, ``/Volumes/…``, ``/dbfs/…``, ``dbfs:/…`` or ``file:/…``.
        default: Which of the three a path without a known beginning is in.

    Raises:
        OutsideError: It has ``..`` in it.
    """
    if path.startswith("file:/"):
        return Path("/" + path[len("file:") :].lstrip("/"))
    text = path
    if path.startswith("dbfs:/"):
        rest = path[len("dbfs:") :].lstrip("/")
        text = f"/{rest}" if rest.startswith("Volumes/") else f"/dbfs/{rest}"
    parts = [part for part in PurePosixPath(text).parts if part != "/"]
    if ".." in parts:
        raise OutsideError(f"path: found {path!r}, expected one without '..'")
    if not parts or parts[0] not in _ROOTS:
        parts.insert(0, default)
    return root.joinpath(*parts)


def notebook_on_disk(root: Path, path: str, *, beside: Path | None = None) -> Path | None:
    """
    Return the file of a notebook, which is written without its suffix; ``None`` if there is none.

    Args:
        root: As for :func:`on_disk`.
        path: Absolute, or relative to ``beside``.
        beside: The folder of the notebook that names it.
    """
    if beside is not None and not path.startswith("/"):
        base = beside / path
    else:
        base = on_disk(root, path, default="Workspace")
    candidates = (base.with_name(base.name + suffix) for suffix in _SUFFIXES)
    return next((found for found in candidates if found.is_file()), None)
