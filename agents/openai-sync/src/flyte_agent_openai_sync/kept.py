"""
Answers that are kept for a while, so that a call that Flyte repeats is not paid twice.

In memory, bounded in bytes and time; and in a folder that replicas share, if there is one.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import posixpath
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from flyteidl.core.literals_pb2 import LiteralMap

from flyte_agent_core import Phase, Resource

from . import settings
from .files import MIB

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flyte_agent_core.clock import Clock

_log = logging.getLogger("flyte_agent.openai")
_VERSION = 1


@dataclasses.dataclass(frozen=True)
class _Entry:
    text: str
    until_s: float


class Kept:
    """Answers by key; ``blocking`` runs what a shared folder takes time for."""

    def __init__(self, clock: Clock, blocking: Callable[..., Awaitable[Any]]) -> None:
        self._clock, self._blocking = clock, blocking
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._chars = 0

    async def find(self, *keys: str) -> Resource | None:
        """Return the answer that was kept under the first of the keys that has one."""
        for key in keys:
            text = self._in_memory(key) or await self._shared(key)
            if text:
                return _decoded(text)
        return None

    async def keep(self, key: str, resource: Resource) -> None:
        """Keep an answer."""
        keep_s = settings.number("KEEP_S")
        if not keep_s:
            return
        text = json.dumps({**_encoded(resource), "until_s": self._clock.time() + keep_s})
        self._put(key, _Entry(text, self._clock.monotonic() + keep_s))
        if folder := settings.text("STORE"):
            await self._try(_write, folder, key, text)

    def _in_memory(self, key: str) -> str:
        entry = self._entries.get(key)
        if entry is None or entry.until_s < self._clock.monotonic():
            return ""
        return entry.text

    def _put(self, key: str, entry: _Entry) -> None:
        limit = settings.number("KEEP_MIB") * MIB
        old = self._entries.pop(key, None)
        self._chars += len(entry.text) - (len(old.text) if old else 0)
        self._entries[key] = entry
        while self._entries and (self._chars > limit or self._is_over()):
            _, gone = self._entries.popitem(last=False)
            self._chars -= len(gone.text)

    def _is_over(self) -> bool:
        oldest = next(iter(self._entries.values()))
        return oldest.until_s < self._clock.monotonic()

    async def _shared(self, key: str) -> str:
        folder = settings.text("STORE")
        if not folder:
            return ""
        text = await self._try(_read, folder, key)
        try:
            fresh = bool(text) and json.loads(text)["until_s"] >= self._clock.time()
        except (ValueError, KeyError, TypeError):  # written half, or by somebody else
            return ""
        return text if fresh else ""

    async def _try(self, function: Callable[..., str], *args: str) -> str:
        try:
            text: str = await self._blocking(function, *args)
        except Exception as error:  # noqa: BLE001  # a shared store saves money; the answer is worth more
            _log.warning(
                "%sSTORE cannot be used: %s: %s", settings.PREFIX, type(error).__name__, error
            )
            return ""
        return text


def _encoded(resource: Resource) -> dict[str, Any]:
    outputs = resource.outputs
    packed = outputs.to_flyte_idl().SerializeToString() if outputs is not None else None
    return {
        "v": _VERSION,
        "phase": resource.phase.name,
        "message": resource.message,
        "code": resource.error_code,
        "outputs": None if packed is None else base64.b64encode(packed).decode("ascii"),
        "info": resource.custom_info,
        "links": resource.links,
    }


def _decoded(text: str) -> Resource | None:
    from flytekit.models.literals import LiteralMap as LiteralMapModel

    found = json.loads(text)
    if found.get("v") != _VERSION:
        return None
    outputs = None
    if found["outputs"] is not None:
        message = LiteralMap.FromString(base64.b64decode(found["outputs"]))
        outputs = LiteralMapModel.from_flyte_idl(message)
    # What was used was counted when it was: a second time it would be wrong.
    info = {**(found["info"] or {}), "total_tokens": 0, "cost_usd": 0.0, "kept_answer": True}
    return Resource(
        phase=Phase[found["phase"]], message=found["message"], error_code=found["code"],
        outputs=outputs, custom_info=info, links=found["links"],
    )  # fmt: skip


def _place(folder: str, key: str) -> tuple[Any, str]:
    import fsspec

    filesystem, root = fsspec.core.url_to_fs(folder)
    return filesystem, posixpath.join(root, key[:2], f"{key}.json")


def _read(folder: str, key: str) -> str:
    filesystem, path = _place(folder, key)
    try:
        content: bytes = filesystem.cat_file(path)
    except FileNotFoundError:
        return ""
    return content.decode("utf-8")


def _write(folder: str, key: str, text: str) -> str:
    filesystem, path = _place(folder, key)
    filesystem.makedirs(posixpath.dirname(path), exist_ok=True)
    filesystem.pipe_file(path, text.encode())
    return text
