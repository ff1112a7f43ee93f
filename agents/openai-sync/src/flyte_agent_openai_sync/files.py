"""
Files that come with a task, and those it makes, on whatever storage Flyte uses.

The service reads with its own rights, so only storage may be named that the platform lets tasks use
(``FLYTE_AGENT_OPENAI_FILES``); the service's own disk and the network are not among it unless it says so. A local
run reads and writes what its author may.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import mimetypes
import posixpath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from flyte_agent_core import RetryableError, TaskError
from flyte_agent_core.fields import invalid

from . import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

MIB = 1 << 20

LIMITS_BYTES = {"image": 20 * MIB, "pdf": 32 * MIB, "audio": 25 * MIB, "text": 4 * MIB}
"""
What OpenAI takes of each kind; https://platform.openai.com/docs/guides/images-vision,
…/guides/pdf-files, …/guides/speech-to-text. Text is limited here.
"""

_MEDIA = {
    "image/png": "image", "image/jpeg": "image", "image/webp": "image", "image/gif": "image",
    "application/pdf": "pdf",
    "audio/mpeg": "audio", "audio/wav": "audio", "audio/x-wav": "audio", "audio/mp4": "audio", "audio/x-m4a": "audio",
    "audio/flac": "audio", "audio/x-flac": "audio", "audio/ogg": "audio", "audio/webm": "audio", "video/webm": "audio",
    "video/mp4": "audio",
}  # fmt: skip
_SIGNS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"), (b"ID3", "audio/mpeg"), (b"\xff\xfb", "audio/mpeg"), (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
)  # fmt: skip

_own_disk: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "openai_sync_own_disk", default=False
)


@contextlib.contextmanager
def own_disk() -> Iterator[None]:
    """Let what runs inside, a local run, use every file that its user may."""
    token = _own_disk.set(True)
    try:
        yield
    finally:
        _own_disk.reset(token)


@dataclasses.dataclass(frozen=True)
class File:
    """
    A file that was read.

    Attributes:
        name: Its name, without the folder.
        content: Its bytes.
        media_type: ``image/png``.
        kind: ``image``, ``pdf``, ``audio`` or ``text``.
    """

    name: str
    content: bytes
    media_type: str
    kind: str


def read(where: str, uri: str, expected: tuple[str, ...] = ("image", "pdf", "audio")) -> File:
    """
    Return a file; this blocks.

    Raises:
        TaskError: It may not be read, is not there, is too large, or of another kind than expected.
        RetryableError: The storage failed.
    """
    _check_place(where, uri)
    name = posixpath.basename(unquote(urlsplit(uri).path)) or "file"
    limit_bytes = max(LIMITS_BYTES[kind] for kind in expected)
    content = _content(where, uri, limit_bytes)
    media_type = _media_type(name, content)
    kind = _MEDIA.get(media_type, "text")
    if kind not in expected:
        raise invalid(where, f"{name} ({media_type})", f"a file of kind {', '.join(expected)}")
    if len(content) > LIMITS_BYTES[kind]:
        raise _too_large(where, name, len(content), LIMITS_BYTES[kind])
    return File(name, content, media_type, kind)


def write(uri: str, content: bytes) -> None:
    """
    Write a file; this blocks.

    Raises:
        TaskError: It may not be written.
        RetryableError: The storage failed.
    """
    _check_place("output", uri)
    try:
        filesystem, path = _filesystem(uri)
        filesystem.makedirs(posixpath.dirname(path), exist_ok=True)
        filesystem.pipe_file(path, content)
    except (PermissionError, ValueError, ImportError) as error:
        raise TaskError(
            f"output: cannot write {uri}: {error}. Let the agent service write there."
        ) from error
    except Exception as error:  # every storage has exceptions of its own
        raise RetryableError(
            f"output: cannot write {uri}: {error}", code="OPENAI.STORAGE"
        ) from error


def _content(where: str, uri: str, limit_bytes: int) -> bytes:
    try:
        filesystem, path = _filesystem(uri)
        _check_size(where, path, filesystem.info(path).get("size"), limit_bytes)
        content: bytes = filesystem.cat_file(path)
    except TaskError:
        raise
    except FileNotFoundError as error:
        raise invalid(where, uri, "a file that exists") from error
    except (PermissionError, IsADirectoryError, ValueError, ImportError) as error:
        raise TaskError(
            f"{where}: cannot read {uri}: {error}. Let the agent service read there."
        ) from error
    except Exception as error:  # every storage has exceptions of its own
        raise RetryableError(
            f"{where}: cannot read {uri}: {error}", code="OPENAI.STORAGE"
        ) from error
    return content


def _check_size(where: str, path: str, size_bytes: object, limit_bytes: int) -> None:
    if isinstance(size_bytes, int) and size_bytes > limit_bytes:
        raise _too_large(where, posixpath.basename(path), size_bytes, limit_bytes)


def _filesystem(uri: str) -> tuple[Any, str]:
    """Return flytekit's file system for an address: it knows the credentials that Flyte gave the service."""
    from flytekit.core.context_manager import FlyteContextManager

    access = FlyteContextManager.current_context().file_access
    filesystem = access.get_filesystem_for_path(uri)
    return filesystem, filesystem._strip_protocol(uri)  # noqa: SLF001  # fsspec's own name for the path of an address


def _check_place(where: str, uri: str) -> None:
    allowed = settings.listed("FILES")
    if _own_disk.get() or "*" in allowed or any(uri.startswith(each) for each in allowed):
        return
    raise invalid(
        where, uri, f"an address that begins with {', '.join(allowed)}",
        f"Ask the platform team to add it to {settings.PREFIX}FILES of the agent service.",
    )  # fmt: skip


def _media_type(name: str, content: bytes) -> str:
    if content[:4] == b"RIFF":
        return "image/webp" if content[8:12] == b"WEBP" else "audio/wav"
    found = next((media for sign, media in _SIGNS if content.startswith(sign)), None)
    return found or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _too_large(where: str, name: str, size_bytes: int, limit_bytes: int) -> TaskError:
    return invalid(
        where, f"{name} of {size_bytes / MIB:.1f} MiB", f"at most {limit_bytes // MIB} MiB",
        "Make it smaller before this task, or split it.",
    )  # fmt: skip
