"""Files of the workspace and of volumes.

Source: https://docs.databricks.com/api/workspace/workspace and https://docs.databricks.com/api/workspace/files
"""

from __future__ import annotations

import base64
from email.utils import formatdate
from pathlib import Path
from typing import Any

from flyte_agent_databricks.local.driver.dbruntime.notebooks import is_notebook
from flyte_agent_databricks.local.driver.dbruntime.paths import (
    notebook_on_disk,
)
from flyte_agent_databricks.local.errors import ApiError, invalid, missing
from flyte_agent_testing.server import Reply, Request, route

from .base import EMPTY, body_of
from .dbfs import DbfsRoutes, form_of, remove

_SUFFIXES = {"PYTHON": ".py", "SQL": ".sql"}
_HEADERS = {"PYTHON": "# Databricks notebook source\n", "SQL": "-- Databricks notebook source\n"}
_READ_BYTES = 1 << 20


class FileRoutes(DbfsRoutes):
    """The resources ``workspace`` and ``fs``."""

    # -- workspace ----------------------------------------------------------------------------------------------

    @route("POST", "/api/2.0/workspace/import", name="workspace.import")
    def import_object(self, request: Request) -> Reply:
        """A notebook or a file, in JSON with base64 or as a form."""
        form = form_of(request)
        path, kind = form["path"], (form.get("format") or "SOURCE").upper()
        language = (form.get("language") or "").upper()
        self.put_object(
            path,
            form["content"],
            kind,
            language,
            overwrite=str(form.get("overwrite")).lower() == "true",
        )
        return EMPTY

    def put_object(
        self, path: str, content: bytes, kind: str, language: str, *, overwrite: bool
    ) -> Path:
        """Keep a notebook or a file. Raises ``ApiError``."""
        target, content = _as_kept(self.at(path, "Workspace"), content, kind, language)
        if target.exists() and not overwrite:
            raise ApiError("RESOURCE_ALREADY_EXISTS", f"Path ({path}) already exists.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target

    @route("GET", "/api/2.0/workspace/get-status", name="workspace.get-status")
    def get_status(self, request: Request) -> Reply:
        """What there is at a path."""
        path = request.query.get("path", "")
        found = self._object(path)
        return Reply(200, _status(found, path))

    @route("GET", "/api/2.0/workspace/list", name="workspace.list")
    def list_objects(self, request: Request) -> Reply:
        """What a folder holds."""
        path = request.query.get("path", "/")
        folder = self.at(path, "Workspace")
        if not folder.is_dir():
            raise missing("Path", f"({path})")
        beginning = path.rstrip("/")
        entries = [
            _status(entry, f"{beginning}/{entry.name}") for entry in sorted(folder.iterdir())
        ]
        return Reply(200, {"objects": entries})

    @route("GET", "/api/2.0/workspace/export", name="workspace.export")
    def export_object(self, request: Request) -> Reply:
        """The content, in base64."""
        found = self._object(request.query.get("path", ""))
        return Reply(
            200,
            {
                "content": base64.b64encode(found.read_bytes()).decode(),
                "file_type": found.suffix[1:],
            },
        )

    @route("POST", "/api/2.0/workspace/mkdirs", name="workspace.mkdirs")
    def make_folders(self, request: Request) -> Reply:
        """A folder and those above it."""
        self.at(body_of(request).get("path", ""), "Workspace").mkdir(parents=True, exist_ok=True)
        return EMPTY

    @route("POST", "/api/2.0/workspace/delete", name="workspace.delete")
    def delete_object(self, request: Request) -> Reply:
        """A file, a notebook, or a folder."""
        body = body_of(request)
        remove(self._object(body.get("path", "")), recursive=bool(body.get("recursive")))
        return EMPTY

    def _object(self, path: str) -> Path:
        folder = self.at(path, "Workspace")
        found = folder if folder.is_dir() else notebook_on_disk(self.root, path)
        if found is None:
            raise missing("Path", f"({path})")
        return found

    # -- volumes ------------------------------------------------------------------------------------------------

    @route("PUT", "/api/2.0/fs/files/{path:path}", name="files.upload")
    def upload(self, request: Request, path: str) -> Reply:
        """The body is the content."""
        target = self.at(f"/{path}", "Volumes")
        if target.exists() and request.query.get("overwrite", "true").lower() == "false":
            raise ApiError("ALREADY_EXISTS", f"The file /{path} exists.")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(request.body)
        return Reply(204)

    @route("GET", "/api/2.0/fs/files/{path:path}", name="files.download")
    def download(self, request: Request, path: str) -> Reply:
        """The content is the body."""
        found = self.file(f"/{path}", "Volumes")
        headers = {"content-type": "application/octet-stream",
                   "last-modified": _http_date(found.stat().st_mtime)}  # fmt: skip
        return Reply(200, found.read_bytes(), headers)

    @route("HEAD", "/api/2.0/fs/files/{path:path}", name="files.head")
    def head(self, request: Request, path: str) -> Reply:
        """Whether it is there."""
        self.file(f"/{path}", "Volumes")
        return Reply(200)

    @route("DELETE", "/api/2.0/fs/files/{path:path}", name="files.delete")
    def delete_file(self, request: Request, path: str) -> Reply:
        """Remove it."""
        self.file(f"/{path}", "Volumes").unlink()
        return Reply(204)

    @route("PUT", "/api/2.0/fs/directories/{path:path}", name="directories.create")
    def create_directory(self, request: Request, path: str) -> Reply:
        """A folder and those above it."""
        self.at(f"/{path}", "Volumes").mkdir(parents=True, exist_ok=True)
        return Reply(204)

    @route("GET", "/api/2.0/fs/directories/{path:path}", name="directories.list")
    def list_directory(self, request: Request, path: str) -> Reply:
        """What it holds."""
        folder = self.at(f"/{path}", "Volumes")
        if not folder.is_dir():
            raise missing("The directory", f"/{path}")
        contents = [
            {"path": f"/{path.rstrip('/')}/{entry.name}", "name": entry.name, "is_directory": entry.is_dir(),
             "file_size": entry.stat().st_size}
            for entry in sorted(folder.iterdir())
        ]  # fmt: skip
        return Reply(200, {"contents": contents})


def _as_kept(target: Path, content: bytes, kind: str, language: str) -> tuple[Path, bytes]:
    """Where and how an object is kept: notebooks with their suffix and, in source format, with their header."""
    if kind == "JUPYTER":
        return target.with_name(
            f"{target.stem if target.suffix == '.ipynb' else target.name}.ipynb"
        ), content
    if kind in ("AUTO", "RAW"):
        return target, content
    if kind != "SOURCE":
        raise invalid(f"format: found {kind!r}, expected SOURCE, JUPYTER, AUTO or RAW here.")
    if language not in _SUFFIXES:
        raise invalid(f"language: found {language!r}, expected PYTHON or SQL here.")
    header = _HEADERS[language]
    if not content.startswith(header.strip().encode()):
        content = header.encode() + content
    suffix = _SUFFIXES[language]
    return target if target.suffix == suffix else target.with_name(target.name + suffix), content


def _status(found: Path, path: str) -> dict[str, Any]:
    if found.is_dir():
        return {"path": path, "object_type": "DIRECTORY", "object_id": found.stat().st_ino}
    language = {".sql": "SQL"}.get(found.suffix, "PYTHON")
    with found.open("rb") as stream:
        text = stream.read(_READ_BYTES).decode("utf-8", "replace")
    common = {"object_id": found.stat().st_ino, "size": found.stat().st_size}
    if found.suffix == ".ipynb" or is_notebook(text):
        shown = path.removesuffix(found.suffix)
        return {"path": shown, "object_type": "NOTEBOOK", "language": language, **common}
    return {"path": path, "object_type": "FILE", **common}


def _http_date(moment_s: float) -> str:
    return formatdate(moment_s, usegmt=True)
