"""Processes of tasks: each in a group of its own, none of which outlives its task or this process."""

from __future__ import annotations

import os
import secrets
import subprocess
import threading
from pathlib import Path

from .driver.dbruntime import family


class Process:
    """
    A process that runs.

    Attributes:
        pid: Also the id of its group.
    """

    def __init__(self, popen: subprocess.Popen[bytes], mark: str) -> None:
        self._popen, self._mark = popen, mark
        self.pid = popen.pid

    def wait(self) -> int:
        """Wait for its end, end what it has left behind, and return its exit status."""
        status = self._popen.wait()
        self.kill()
        return status

    def kill(self) -> None:
        """End it and all that it has started; killing twice is fine."""
        family.kill(self.pid, self._mark)


class Processes:
    """Starts processes; they end with :meth:`close`, and when this process does."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self._running: dict[int, Process] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def alive_fd(self) -> int:
        """What a process reads from: its end means that this process is gone."""
        return self._reading

    def start(self, command: list[str], *, env: dict[str, str], cwd: Path, log: Path) -> Process:
        """
        Start a command with all it prints in a file.

        Raises:
            OSError: It cannot be started, or this is closed.
        """
        mark = secrets.token_hex(8)
        with self._lock, log.open("wb") as stream:
            if self._is_closed:
                raise OSError("the local workspace has stopped")
            popen = subprocess.Popen(  # noqa: S603  # running programs is what it is for
                command,
                env={**env, family.MARK: mark},
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[self._reading],
            )
            process = Process(popen, mark)
            self._running[process.pid] = process
        return process

    def forget(self, process: Process) -> None:
        """Note that one has ended."""
        with self._lock:
            self._running.pop(process.pid, None)

    def running(self) -> list[int]:
        """Return the ids of those that run."""
        with self._lock:
            return sorted(self._running)

    def close(self) -> None:
        """End all, and start no more."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            running = list(self._running.values())
        for process in running:
            process.kill()
        os.close(self._writing)
        os.close(self._reading)
