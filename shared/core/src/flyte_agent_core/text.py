"""Messages that Flyte keeps: short, without secrets, the first line useful."""

from __future__ import annotations

from .secrets import redact

MESSAGE_LIMIT_BYTES = 2048
"""Messages go into etcd and into events; more than this hurts the workflow and nobody reads it."""


def bounded(text: str, limit_bytes: int = MESSAGE_LIMIT_BYTES) -> str:
    """Return ``text`` without known secrets, cut to ``limit_bytes`` of UTF-8 and saying so."""
    text = redact(text).replace("\x00", "\\0").strip()
    raw = text.encode("utf-8", "replace")
    if len(raw) <= limit_bytes:
        return raw.decode("utf-8")
    note = f" … [{len(raw)} bytes in all]"
    keep = max(0, limit_bytes - len(note.encode()))
    return raw[:keep].decode("utf-8", "ignore") + note


def describe(error: BaseException) -> str:
    """Return what an exception says, never empty, never with a traceback."""
    said = str(error).strip()
    return redact(said) or type(error).__name__
