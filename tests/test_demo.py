"""The two commands that people try first: they work as installed, and leave nothing behind."""

from __future__ import annotations

import os
import re
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AGENT = [sys.executable, "-m", "flyte_agent_server"]
PIPES: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
# Of processor time: how long that takes depends on who else is using the machine.
CPU_LIMIT_S = 20.0


def cpu_of_children_s() -> float:
    """Processor seconds that the processes started here have used, as far as they have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def is_open(port: str) -> bool:
    """Whether somebody answers on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(port))) == 0


def open_ports(text: str) -> list[str]:
    """Those of the local addresses in a text that still answer."""
    found = set(re.findall(r"127\.0\.0\.1:(\d+)", text))
    return [port for port in sorted(found) if is_open(port)]


def test_the_demo_ends_by_itself_and_leaves_nothing(tmp_path: Path) -> None:
    # Nobody answers at the proxy, and nothing here may need one.
    env = {**os.environ, "TMPDIR": str(tmp_path), "http_proxy": "http://127.0.0.1:9"}
    before_s = cpu_of_children_s()
    command = [*AGENT, "demo", "--agent", "bigquery"]
    with subprocess.Popen(command, env=env, start_new_session=True, **PIPES) as process:
        out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, ""), out + errors
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert not open_ports(out)
    assert not list(tmp_path.glob("flyte-agent-demo-*"))
    assert re.search(r"AirTran Airways Corporation │ +153 │ +57\.3 │ +16\.8 │ +40\.5", out)
    assert re.search(r"load_flights +statistics .*rows written 336,776", out)
    assert "Unrecognized name: carier; Did you mean carrier? at [1:8]" in out
    assert cpu_of_children_s() - before_s < CPU_LIMIT_S, out


WORKFLOW = Path(__file__).parent.parent / "docs/tutorials/first_query.py"


def test_pyflyte_run_uses_the_sandbox_with_what_it_says_to_export(tmp_path: Path) -> None:
    tmp_path.joinpath("wf.py").write_text(WORKFLOW.read_text())
    command = [*AGENT, "sandbox", "--agent", "bigquery", "--port", "0"]
    with subprocess.Popen(command, **PIPES) as process:
        exports = [process.stdout.readline() for _ in range(2)]
        pyflyte = Path(sys.executable).with_name("pyflyte")
        script = "".join(exports) + f"exec {pyflyte} run wf.py wf --least 2"
        run = subprocess.run(["sh", "-c", script], cwd=tmp_path, check=False, timeout=120, **PIPES)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Row(n=2, word='rain'), Row(n=3, word='rain')" in run.stdout
    assert process.returncode == 0, errors
    assert not open_ports("".join(exports) + errors)
