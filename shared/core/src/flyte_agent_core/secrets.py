"""
Secrets by reference: tasks and metadata name them, the service resolves them when it needs them.

Looked up in this order, the first hit wins; ``NAME`` is the reference in capitals with ``-`` and
``.`` as ``_``:

1. what came with the call (Flyte 2's ``connection``);
2. for the task's own Flyte project and domain: environment ``_FSEC_<PROJECT>__<DOMAIN>__<NAME>``,
   file ``/etc/secrets/<project>/<domain>/<name>``; then for the project alone, in the same two
   forms;
3. for everybody: environment ``_FSEC_<NAME>``, file ``/etc/secrets/<name>``.

The prefix and the folder are flytekit's (``FLYTE_SECRETS_ENV_PREFIX``,
``FLYTE_SECRETS_DEFAULT_DIR``), so secrets that were mounted for its service are found.
"""

from __future__ import annotations

import functools
import os
import pathlib
import re
import threading
from collections import OrderedDict

from .errors import InvalidConfig

# No two separators in a row: "__" parts project, domain and name, and a name must not reach
# another project's.
_NAME = re.compile(r"(?=.{1,127}\Z)[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*")
_MASK = "***"
_KEPT = 512
_SHORTEST = 6  # shorter values stand in ordinary text by chance


class Secret:
    """A secret value that prints as ``***``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        remember(value)

    def reveal(self) -> str:
        """Return the value; keep it out of logs, messages and metadata."""
        return self._value

    def __repr__(self) -> str:
        return _MASK

    __str__ = __repr__


def resolve(name: str, *, project: str = "", domain: str = "") -> Secret:
    """
    Return the secret ``name`` for a task of this Flyte project and domain.

    Raises:
        InvalidConfig: It is not there; the message lists the places that were looked at.
    """
    from .rpc import current

    if not _NAME.fullmatch(name):
        raise InvalidConfig(
            f"secret: found {name[:60]!r}, expected letters and digits with single '_', '-', '.' "
            "between (a reference to a secret, never its value)"
        )
    call = current()
    if call is not None and name in call.connection:
        return Secret(call.connection[name])
    prefix = os.environ.get("FLYTE_SECRETS_ENV_PREFIX", "_FSEC_")
    folder = os.environ.get("FLYTE_SECRETS_DEFAULT_DIR", "/etc/secrets")
    places = _places(name, project, domain, prefix, folder)
    for variable, path in places:
        found = _read(variable, path)
        if found is not None:
            return Secret(found)
    tried = ", ".join(f"${variable} or {path}" for variable, path in places)
    raise InvalidConfig(
        f"secret {name!r} is not known to the agent service; looked at {tried}. "
        "Ask the platform team to set one of these, or name another secret.",
        code="AGENT.SECRET_NOT_FOUND",
    )


@functools.lru_cache(maxsize=_KEPT)
def _places(
    name: str, project: str, domain: str, prefix: str, folder: str
) -> tuple[tuple[str, pathlib.Path], ...]:
    """Return variables and paths; they are wanted in every call, what is there may change."""
    scopes: list[tuple[str, ...]] = [(project, domain), (project,), ()]
    return tuple(
        (
            prefix + "__".join(_capitals(part) for part in [*scope, name]),
            pathlib.Path(folder, *scope, name.lower()),
        )
        for scope in scopes
        if all(_NAME.fullmatch(part) for part in scope)
    )


def _capitals(part: str) -> str:
    return re.sub(r"[-.]", "_", part).upper()


def _read(variable: str, path: pathlib.Path) -> str | None:
    value = os.environ.get(variable)
    if value is None and path.is_file():
        value = path.read_text(encoding="utf-8")
    return None if value is None else value.strip()


_known: OrderedDict[str, bytes] = OrderedDict()
_known_lock = threading.Lock()


def remember(value: str) -> None:
    """Have :func:`redact` mask ``value`` from now on (the last values are kept)."""
    if len(value) < _SHORTEST:
        return
    with _known_lock:
        _known[value] = value.encode("utf-8", "replace")
        _known.move_to_end(value)
        while len(_known) > _KEPT:
            _known.popitem(last=False)


def is_in(raw: bytes) -> bool:
    """Whether a known secret is in UTF-8 text, or in a message that has such text in it."""
    with _known_lock:
        for value in _known.values():  # no generator: every answer is looked at
            if value in raw:
                return True
    return False


def redact(text: str) -> str:
    """Return ``text`` with every known secret value masked."""
    with _known_lock:
        values = [value for value in _known if value in text]
    for value in sorted(
        values, key=len, reverse=True
    ):  # the longest first: one may contain another
        text = text.replace(value, _MASK)
    return text
