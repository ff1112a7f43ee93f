"""Log lines: one line each, console or JSON, with the call they belong to, without secrets."""

from __future__ import annotations

import contextlib
import contextvars
import json
import logging
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Format = Literal["console", "json"]

_KEPT_CHARS = 500
_CONSOLE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

_fields: contextvars.ContextVar[dict[str, str] | None] = contextvars.ContextVar(
    "flyte_agent_log_fields", default=None
)


@contextlib.contextmanager
def fields(**values: str) -> Iterator[None]:
    """Put ``values`` that are not empty on every log line inside, in agents' threads too."""
    token = _fields.set({name: value for name, value in values.items() if value})
    try:
        yield
    finally:
        _fields.reset(token)


def configure(format_: Format = "console", level: str = "INFO") -> None:
    """
    Send all logs of this process to standard error in one form.

    Replaces what was configured before.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if format_ == "json" else _ConsoleFormatter(_CONSOLE))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)  # of other libraries only what may matter
    logging.getLogger("flyte_agent").setLevel(level)
    # flytekit writes with handlers of its own, wrapped for terminals; its lines join the others.
    for name in ("flytekit", "user_space", "developer"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class _ConsoleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        call = about_call()
        if call:
            first, newline, rest = line.partition("\n")
            pairs = " ".join(f"{name}={value}" for name, value in call.items())
            line = f"{first} [{pairs}]{newline}{rest}"
        return _redacted(line)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, Any] = {
            "time": f"{seconds}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            # Before JSON escapes them: a secret with a quote or a line break would not be found
            # afterwards.
            "message": _redacted(record.getMessage()),
            **about_call(),
        }
        if record.exc_info:
            entry["exception"] = _redacted(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


class Recent(logging.Handler):
    """
    Keeps the last warnings and errors, for people who look at the status page.

    Attributes:
        lines: The newest last: seconds since 1970, level, message without secrets, its call.
    """

    def __init__(self, most: int = 20) -> None:
        super().__init__(logging.WARNING)
        self.lines: deque[tuple[float, str, str, dict[str, str]]] = deque(maxlen=most)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line; what its text may be too long for is cut."""
        said = _redacted(record.getMessage())[:_KEPT_CHARS]
        self.lines.append((record.created, record.levelname, said, about_call()))


def about_call() -> dict[str, str]:
    """Return what is known of the call being answered: its names, and what the agent found out."""
    known = _fields.get() or {}
    rpc = sys.modules.get("flyte_agent_core.rpc")  # logging works before flytekit is imported
    call = rpc.current() if rpc is not None else None
    return known if call is None else {**call.facts(), **known}


def _redacted(text: str) -> str:
    # Not imported here: it brings flytekit, which a supervisor of processes does without, and who has
    # not imported it knows no secret.
    known = sys.modules.get("flyte_agent_core.secrets")
    redact = getattr(known, "redact", None)
    return redact(text) if redact else text
