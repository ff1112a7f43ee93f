"""Files of DBFS, and what all kinds of files have in common.

Source: https://docs.databricks.com/api/workspace/dbfs
"""

from __future__ import annotations

import base64
import binascii
import itertools
import shutil
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from pathlib import Path
from typing import Any

from flyte_agent_databricks.local.driver.dbruntime.paths import OutsideError, on_disk
from flyte_agent_databricks.local.errors import ApiError, invalid, missing
from flyte_agent_testing.server import Reply, Request, route

from .base import EMPTY, ApiServer, body_of, number

_READ_BYTES = 1 << 20


class DbfsRoutes(ApiServer):
    """The resource ``dbfs``."""

    _handles: dict[int, Path]
    _numbers: Iterator[int]

    def at(self, path: str, default: str) -> Path:
        """Return where a path is on the disk. Raises ``ApiError``."""
        try:
            return on_disk(self.root, path, default=default)
        except OutsideError as error:
            raise invalid(str(error)) from None

    def file(self, path: str, default: str) -> Path:
        """Return a file that is there. Raises ``ApiError``."""
        found = self.at(path, default)
        if not found.is_file():
            raise ApiError("NOT_FOUND", f"The file {path} does not exist.")
        return found

    @route("POST", "/api/2.0/dbfs/put", name="dbfs.put")
    def put(self, request: Request) -> Reply:
        """A small file in one request."""
        body = form_of(request, encoded="contents")
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
            stream.write(decoded(body.get("data", "")))
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
        with self.file(query.get("path", ""), "dbfs").open("rb") as stream:
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
        return Reply(
            200, {"path": path, "is_dir": found.is_dir(), "file_size": found.stat().st_size}
        )

    @route("POST", "/api/2.0/dbfs/delete", name="dbfs.delete")
    def dbfs_delete(self, request: Request) -> Reply:
        """What is not there is fine."""
        body = body_of(request)
        found = self.at(body.get("path", ""), "dbfs")
        if found.exists():
            remove(found, recursive=bool(body.get("recursive")))
        return EMPTY

    def _new(self, body: dict[str, Any], field: str) -> Path:
        target = self.at(body.get(field, ""), "dbfs")
        if target.exists() and str(body.get("overwrite")).lower() != "true":
            raise ApiError(
                "RESOURCE_ALREADY_EXISTS",
                f"A file or directory already exists at {body.get(field)}.",
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def new_handles() -> Iterator[int]:
    """Return the numbers of streams to come."""
    return itertools.count(1)


def remove(found: Path, *, recursive: bool) -> None:
    """Remove a file or folder. Raises ``ApiError`` for a folder with something in it unless ``recursive``."""
    if not found.is_dir():
        found.unlink()
    elif recursive:
        shutil.rmtree(found)
    elif any(found.iterdir()):
        raise ApiError("BAD_REQUEST", "The folder is not empty: use recursive.")
    else:
        found.rmdir()


def form_of(request: Request, encoded: str = "content") -> dict[str, Any]:
    """Return the fields of a request, whether JSON or a form; the content as bytes."""
    kind = (request.header(b"content-type") or b"").decode("latin-1")
    if not kind.startswith("multipart/"):
        body = body_of(request)
        return {**body, encoded: decoded(body.get(encoded, ""))}
    message = BytesParser(policy=HTTP).parsebytes(
        b"Content-Type: " + kind.encode() + b"\r\n\r\n" + request.body
    )
    form: dict[str, Any] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        content = data if isinstance(data, bytes) else b""
        form[str(name)] = content if name == encoded else content.decode()
    return form


def decoded(text: str) -> bytes:
    """Return what base64 stands for. Raises ``ApiError``."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("The content is no base64.") from None
