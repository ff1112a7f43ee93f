"""Processes of a benchmark: started, watched, and ended by the one who started them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc

_TICKS = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a loopback port nobody uses right now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(pid: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def wait_until_idle(pid: int, quiet_s: float, limit_s: float = 60.0) -> None:
    """Return when a process has done next to nothing for a while: what it starts with is done."""
    end_s = time.monotonic() + limit_s
    while time.monotonic() < end_s:
        before_s = cpu_s(pid)
        time.sleep(quiet_s)
        if cpu_s(pid) - before_s <= 0.02 * quiet_s:
            return
    raise RuntimeError(f"the process was still busy after {limit_s:.0f} s")


@contextlib.contextmanager
def running(
    command: list[str], env: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[str]]:
    """Run a command for as long as the body does."""
    with log.open("w") as out:
        process = subprocess.Popen(
            command,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=out,
            text=True,
        )
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.communicate()


def first_line(process: subprocess.Popen[str]) -> str:
    """
    Return what a process says first.

    Raises:
        RuntimeError: It ended without a word.
    """
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"{process.args!r} ended with code {process.wait()} and said nothing")
    return line


def wait_until_serving(port: int, process: subprocess.Popen[str], limit_s: float = 60.0) -> None:
    """
    Return when a gRPC server listens on ``port``.

    Raises:
        RuntimeError: Its process has ended, or time is up.
    """
    end_s = time.monotonic() + limit_s
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        ready = grpc.channel_ready_future(channel)
        while time.monotonic() < end_s:
            if process.poll() is not None:
                raise RuntimeError(
                    f"the service ended with code {process.returncode} before it served"
                )
            with contextlib.suppress(grpc.FutureTimeoutError):
                ready.result(timeout=0.5)
                return
    raise RuntimeError(f"no service on port {port} after {limit_s:.0f} s")
