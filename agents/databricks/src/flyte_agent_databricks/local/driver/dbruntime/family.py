"""A process and all it has started: those of its group, and those that have left it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "LOCAL_DATABRICKS_PROCESS"
"""An environment variable that descendants inherit."""

_PROC = Path("/proc")
_ROUNDS = 20
_DYING_S = 2.0
_LOOK_S = 0.001


def kill(group: int, mark: str, *, but: int = 0) -> None:
    """
    End a family; one that has ended already is fine.

    Args:
        group: The process group.
        mark: The value of :data:`MARK`.
        but: A process that stays, with its group.
    """
    for _ in range(_ROUNDS):
        found = [pid for pid in _marked(mark) if pid != but] if mark else []
        if not but:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if not found:
            return
        _wait_for(found)


def _wait_for(pids: list[int]) -> None:
    """A signal takes a moment; so that who asks afterwards finds nobody."""
    deadline_s = time.monotonic() + _DYING_S
    while any(map(_runs, pids)) and time.monotonic() < deadline_s:
        time.sleep(_LOOK_S)


def _runs(pid: int) -> bool:
    """Whether a process is more than an entry that its parent has not read yet."""
    try:
        state = _PROC.joinpath(str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def _marked(mark: str) -> list[int]:
    """Processes with a mark, where /proc tells."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in _PROC.glob("[0-9]*") if _PROC.is_dir() else ():
        with contextlib.suppress(OSError):
            if wanted in entry.joinpath("environ").read_bytes():
                found.append(int(entry.name))
    return found
