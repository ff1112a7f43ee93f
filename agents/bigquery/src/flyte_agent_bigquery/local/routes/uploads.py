"""Uploads: load jobs that bring their content along.

Source: https://cloud.google.com/bigquery/docs/reference/api-uploads
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from flyte_agent_bigquery.local.errors import BigQueryError, not_found
from flyte_agent_testing.server import Reply, Request, route

from .base import body_of
from .jobs import JobRoutes

_PATH = "/upload/bigquery/v2/projects/{project}/jobs"
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")


@dataclass
class Upload:
    """A resumable upload that is under way."""

    project: str
    body: dict[str, Any]
    content: bytearray = field(default_factory=bytearray)


class UploadRoutes(JobRoutes):
    """``jobs.insert`` with media."""

    uploads: dict[str, Upload]

    @route("POST", _PATH, name="jobs.upload")
    async def upload(self, request: Request, project: str) -> Reply:
        """Take a job with its content, or begin to."""
        kind = request.query.get("uploadType", "")
        if kind == "multipart":
            body, content = _parts(request)
            return await self.in_thread(lambda: self.insert(body, project, content))
        if kind != "resumable":
            raise BigQueryError(
                "badRequest", f"uploadType: found {kind!r}, expected 'multipart' or 'resumable'"
            )
        upload_id = secrets.token_urlsafe(16)
        body = body_of(request)
        self.new_job(body, project, b"")  # a wrong body is refused before anything is sent
        self.uploads[upload_id] = Upload(project, body)
        link = (
            f"{self.url}{_PATH.format(project=project)}?uploadType=resumable&upload_id={upload_id}"
        )
        return Reply(200, b"", {"Location": link, "X-GUploader-UploadID": upload_id})

    @route("PUT", _PATH, name="jobs.uploadChunk")
    async def upload_chunk(self, request: Request, project: str) -> Reply:
        """Take a piece; the last one starts the job."""
        upload_id = request.query.get("upload_id", "")
        found = self.uploads.get(upload_id)
        if found is None:
            raise not_found("Upload", upload_id)
        start, total = _range(request)
        if start is not None and start <= len(found.content):
            found.content[start:] = request.body
        if total is None or len(found.content) < total:
            received = {"Range": f"bytes=0-{len(found.content) - 1}"} if found.content else {}
            return Reply(308, b"", received)
        content = bytes(found.content)
        reply = await self.in_thread(lambda: self.insert(found.body, found.project, content))
        del self.uploads[upload_id]
        return reply


def _range(request: Request) -> tuple[int | None, int | None]:
    """Where a piece starts and how long the whole is, as far as the client knows."""
    written = request.headers.get("content-range", "")
    if not written:
        return 0, len(request.body)
    match = _RANGE.fullmatch(written)
    if match is None:
        raise BigQueryError("badRequest", f"Invalid Content-Range: {written[:80]}")
    start = None if match[1] is None else int(match[1])
    return start, None if match[3] == "*" else int(match[3])


def _parts(request: Request) -> tuple[dict[str, Any], bytes]:
    """The two parts of a ``multipart/related`` body."""
    header = request.headers.get("content-type", "")
    match = re.search(r'boundary="?([^";]+)', header)
    if match is None:
        raise BigQueryError("badRequest", "Multipart upload without a boundary")
    mark = b"--" + match[1].strip("'").encode()
    pieces = request.body.split(mark)
    if len(pieces) < 4:
        raise BigQueryError("badRequest", "Multipart upload needs metadata and content")
    metadata = pieces[1].partition(b"\r\n\r\n")[2]
    content = mark.join(pieces[2:-1]).partition(b"\r\n\r\n")[2]
    try:
        body = json.loads(metadata)
    except ValueError:
        raise BigQueryError("badRequest", "Invalid JSON payload received.") from None
    return body, content[:-2] if content.endswith(b"\r\n") else content
