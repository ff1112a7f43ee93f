"""Libraries of a task: wheels are unpacked, packages of PyPI are looked for; nothing is downloaded."""

from __future__ import annotations

import importlib.metadata
import zipfile
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from .driver.dbruntime.paths import OutsideError, on_disk
from .states import Words, broken


class LibraryError(Exception):
    """A library that cannot be had; ``words`` is how the task ends."""

    def __init__(self, name: str, why: str) -> None:
        message = f"Library installation failed for library {name}: {why}"
        super().__init__(message)
        self.words: Words = broken("LIBRARY_INSTALLATION_ERROR", message)


def install(spec: dict[str, Any], settings: dict[str, Any], root: Path, folder: Path) -> list[str]:
    """
    Make a task's libraries available.

    Args:
        spec: The task's settings.
        settings: Those of its run, which define environments.
        root: The workspace's folder.
        folder: Where wheels are unpacked to.

    Returns:
        Folders for ``sys.path``.

    Raises:
        LibraryError: One cannot be had.
    """
    found = []
    for number, (kind, name) in enumerate(_wanted(spec, settings)):
        if kind == "whl":
            found.append(str(_unpack(name, root, folder / str(number))))
        elif kind == "pypi":
            _look_for(name)
        else:
            raise LibraryError(name, f"the local workspace has no libraries of the kind {kind!r}")
    return found


def _wanted(spec: dict[str, Any], settings: dict[str, Any]) -> list[tuple[str, str]]:
    """Kind and name of each library: of the task, of its cluster's shared ones, of its environment."""
    wanted = []
    for library in spec.get("libraries") or []:
        kind, value = next(iter(library.items()))
        wanted.append((kind, value["package"] if kind == "pypi" else str(value)))
    key = spec.get("environment_key")
    for environment in settings.get("environments") or []:
        if key and environment.get("environment_key") == key:
            names = (environment.get("spec") or {}).get("dependencies") or []
            wanted += [("whl" if name.endswith(".whl") else "pypi", name) for name in names]
    return wanted


def _unpack(path: str, root: Path, folder: Path) -> Path:
    try:
        wheel = on_disk(root, path, default="Workspace")
    except OutsideError as error:
        raise LibraryError(path, str(error)) from None
    if not wheel.is_file():
        raise LibraryError(path, "the file does not exist in the workspace")
    try:
        with zipfile.ZipFile(wheel) as archive:
            if any(name.endswith((".so", ".pyd")) for name in archive.namelist()):
                raise LibraryError(path, "the local workspace installs wheels of pure Python only")
            archive.extractall(folder)
    except zipfile.BadZipFile:
        raise LibraryError(path, "the file is no wheel") from None
    return folder


def _look_for(name: str) -> None:
    try:
        wanted = Requirement(name)
    except InvalidRequirement:
        raise LibraryError(
            name, "expected a requirement such as 'numpy>=2', or a wheel in the workspace"
        ) from None
    if wanted.marker is not None and not wanted.marker.evaluate():
        return
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        raise LibraryError(
            name,
            f"the local workspace installs nothing, and its environment has no {wanted.name}; pip install it",
        ) from None
    if not wanted.specifier.contains(version, prereleases=True):
        raise LibraryError(
            name, f"the environment of the local workspace has {wanted.name} {version}"
        )
