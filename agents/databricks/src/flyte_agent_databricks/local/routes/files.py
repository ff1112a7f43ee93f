"""Files of the workspace, of volumes and of DBFS.

Source: https://docs.databricks.com/api/workspace/workspace, https://docs.databricks.com/api/workspace/files and
https://docs.databricks.com/api/workspace/dbfs
"""

from __future__ import annotations

import base64
import binascii
import itertools
import shutil
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from email.utils import formatdate
from pathlib import Path
from typing import Any

from flyte_agent_databricks.local.driver.dbruntime.notebooks import is_notebook
from flyte_agent_databricks.local.driver.dbruntime.paths import (
    OutsideError,
    notebook_on_disk,
    on_disk,
)
from flyte_agent_databricks.local.errors import ApiError, invalid, missing
from flyte_agent_testing.server import Reply, Request, route

from .base import EMPTY, ApiServer, body_of, flag, number

_SUFFIXES = {"PYTHON": ".py", "SQL": ".sql"}
_HEADERS = {"PYTHON": "# Databricks notebook source\n", "SQL": "-- Databricks notebook source\n"}
_READ_BYTES = 1 << 20


class FileRoutes(ApiServer):
    """The resources ``workspace``, ``fs`` and ``dbfs``."""

    _handles: dict[int, Path]
    _numbers: Iterator[int]

    def at(self, path: str, default: str) -> Path:
        """Return where a path is on the disk. Raises ``ApiError``."""
        try:
            return on_disk(self.root, path, default=default)
        except OutsideError as error:
            raise invalid(str(error)) from None

    # -- workspace ----------------------------------------------------------------------------------------------

    @route("POST", "/api/2.0/workspace/import", name="workspace.import")
    def import_object(self, request: Request) -> Reply:
        """A notebook or a file, in JSON with base64 or as a form."""
        form = _form(request)
        path, kind = form["path"], (form.get("format") or "SOURCE").upper()
        language = (form.get("language") or "").upper()
        self.put_object(path, form["content"], kind, language, overwrite=str(form.get("overwrite")).lower() == "true")
        return EMPTY

    def put_object(self, path: str, content: bytes, kind: str, language: str, *, overwrite: bool) -> Path:
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
        entries = [_status(entry, f"{beginning}/{entry.name}") for entry in sorted(folder.iterdir())]
        return Reply(200, {"objects": entries})

    @route("GET", "/api/2.0/workspace/export", name="workspace.export")
    def export_object(self, request: Request) -> Reply:
        """The content, in base64."""
        found = self._object(request.query.get("path", ""))
        return Reply(200, {"content": base64.b64encode(found.read_bytes()).decode(), "file_type": found.suffix[1:]})

    @route("POST", "/api/2.0/workspace/mkdirs", name="workspace.mkdirs")
    def make_folders(self, request: Request) -> Reply:
        """A folder and those above it."""
        self.at(body_of(request).get("path", ""), "Workspace").mkdir(parents=True, exist_ok=True)
        return EMPTY

    @route("POST", "/api/2.0/workspace/delete", name="workspace.delete")
    def delete_object(self, request: Request) -> Reply:
        """A file, a notebook, or a folder."""
        body = body_of(request)
        _remove(self._object(body.get("path", "")), recursive=bool(body.get("recursive")))
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
        found = self._file(f"/{path}", "Volumes")
        headers = {"content-type": "application/octet-stream",
                   "last-modified": _http_date(found.stat().st_mtime)}  # fmt: skip
        return Reply(200, found.read_bytes(), headers)

    @route("HEAD", "/api/2.0/fs/files/{path:path}", name="files.head")
    def head(self, request: Request, path: str) -> Reply:
        """Whether it is there."""
        self._file(f"/{path}", "Volumes")
        return Reply(200)

    @route("DELETE", "/api/2.0/fs/files/{path:path}", name="files.delete")
    def delete_file(self, request: Request, path: str) -> Reply:
        """Remove it."""
        self._file(f"/{path}", "Volumes").unlink()
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

    def _file(self, path: str, default: str) -> Path:
        found = self.at(path, default)
        if not found.is_file():
            raise ApiError("NOT_FOUND", f"The file {path} does not exist.")
        return found

    # -- DBFS ---------------------------------------------------------------------------------------------------

    @route("POST", "/api/2.0/dbfs/put", name="dbfs.put")
    def put(self, request: Request) -> Reply:
        """A small file in one request."""
        body = _form(request, encoded="contents")
        self._new(body, "path").write_bytes(body["contents"])
        return EMPTY

    @route("POST", "/api/2.0/dbfs/create", name="dbfs.create")
    def create(self, request: Request) -> Reply:
        """A file that comes in blocks."""
        target = self._new(body_of(request), "path")
        target.write_bytes(b"")
        handle = next(self._numbers)
        self._handles[handle] = target
        return Reply(200, {"handle": handle})

    @route("POST", "/api/2.0/dbfs/add-block", name="dbfs.add-block")
    def add_block(self, request: Request) -> Reply:
        """One block."""
        body = body_of(request)
        target = self._handles.get(body.get("handle", 0))
        if target is None:
            raise missing("No stream with handle", body.get("handle"))
        with target.open("ab") as stream:
            stream.write(_decoded(body.get("data", "")))
        return EMPTY

    @route("POST", "/api/2.0/dbfs/close", name="dbfs.close")
    def close(self, request: Request) -> Reply:
        """No more blocks."""
        self._handles.pop(body_of(request).get("handle", 0), None)
        return EMPTY

    @route("GET", "/api/2.0/dbfs/read", name="dbfs.read")
    def read(self, request: Request) -> Reply:
        """At most a mebibyte."""
        query = request.query
        with self._file(query.get("path", ""), "dbfs").open("rb") as stream:
            stream.seek(number(query, "offset", 0))
            data = stream.read(min(number(query, "length", _READ_BYTES), _READ_BYTES))
        return Reply(200, {"bytes_read": len(data), "data": base64.b64encode(data).decode()})

    @route("GET", "/api/2.0/dbfs/get-status", name="dbfs.get-status")
    def dbfs_status(self, request: Request) -> Reply:
        """What there is at a path."""
        path = request.query.get("path", "")
        found = self.at(path, "dbfs")
        if not found.exists():
            raise missing("No file or directory", path)
        return Reply(200, {"path": path, "is_dir": found.is_dir(), "file_size": found.stat().st_size})

    @route("POST", "/api/2.0/dbfs/delete", name="dbfs.delete")
    def dbfs_delete(self, request: Request) -> Reply:
        """What is not there is fine."""
        body = body_of(request)
        found = self.at(body.get("path", ""), "dbfs")
        if found.exists():
            _remove(found, recursive=bool(body.get("recursive")))
        return EMPTY

    def _new(self, body: dict[str, Any], field: str) -> Path:
        target = self.at(body.get(field, ""), "dbfs")
        if target.exists() and str(body.get("overwrite")).lower() != "true":
            raise ApiError("RESOURCE_ALREADY_EXISTS", f"A file or directory already exists at {body.get(field)}.")
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def new_handles() -> Iterator[int]:
    """Return the numbers of streams to come."""
    return itertools.count(1)


def _as_kept(target: Path, content: bytes, kind: str, language: str) -> tuple[Path, bytes]:
    """Where and how an object is kept: notebooks with their suffix and, in source format, with their header."""
    if kind == "JUPYTER":
        return target.with_name(f"{target.stem if target.suffix == '.ipynb' else target.name}.ipynb"), content
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


def _remove(found: Path, *, recursive: bool) -> None:
    if not found.is_dir():
        found.unlink()
    elif recursive:
        shutil.rmtree(found)
    elif any(found.iterdir()):
        raise ApiError("BAD_REQUEST", "The folder is not empty: use recursive.")
    else:
        found.rmdir()


def _form(request: Request, encoded: str = "content") -> dict[str, Any]:
    """The fields of a request, whether JSON or a form; the content as bytes."""
    kind = (request.header(b"content-type") or b"").decode("latin-1")
    if not kind.startswith("multipart/"):
        body = body_of(request)
        return {**body, encoded: _decoded(body.get(encoded, ""))}
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.body)
    form: dict[str, Any] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True) or b""
        form[str(name)] = data if name == encoded else data.decode()
    return form


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("The content is no base64.") from None


def _http_date(moment_s: float) -> str:
    return formatdate(moment_s, usegmt=True)
