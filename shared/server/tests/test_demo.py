"""The demo and the sandbox, each as a person starts it: they do what they say and leave nothing."""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.once

LOCAL = "flyte_agent_reference.local"


@pytest.fixture
def with_demo(installed: Any) -> Any:
    """An installed world whose agents have stand-ins and chapters."""

    def add(**chapters: str) -> Any:
        installed.add(
            "flyte-agent-reference",
            requires="flyte-agent-core",
            flytekit__plugins=dict.fromkeys(chapters, "flyte_agent_reference.plugin"),
            flyte_agent__sandbox={"reference": f"{LOCAL}:ReferenceSandbox"},
            flyte_agent__demo={name: f"{LOCAL}:{value}" for name, value in chapters.items()},
        )
        return installed

    return add


def ports_in(text: str) -> list[int]:
    return [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+)", text)]


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def demo(world: Any, *args: str) -> tuple[int, str, str]:
    """Run the demo as the leader of a process group, and see that the group ends with it."""
    command = ["-m", "flyte_agent_server", "demo", *args]
    with world.start(*command, start_new_session=True) as process:
        out, errors = process.communicate(timeout=120)
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert not [port for port in ports_in(out) if is_open(port)]
    return process.returncode, out, errors


def test_a_workflow_runs_through_the_service_and_nothing_is_left(
    with_demo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nobody answers there
    monkeypatch.setenv("NO_PROXY", "example.com")
    world = with_demo(reference="ReferenceChapter", elsewhere="LaterChapter")
    code, out, errors = demo(world, "--agent", "reference", "--agent", "elsewhere")
    assert (code, errors) == (0, ""), out + errors
    lines = [re.sub(r"^ +[0-9.]+ s +", "", line).split(None, 2) for line in out.splitlines()]
    steps = [tuple(line[:2]) for line in lines if line and line[0] in {"make", "use", "after"}]
    assert steps.index(("make", "output")) < steps.index(("use", "CreateTask"))
    assert steps.index(("use", "output")) < steps.index(("after", "SUCCEEDED"))
    assert "field x: found 1, expected 2; set it to 2" in out
    assert re.search(r"1,234 +│ +2\.0 +│ xxxxx ", out)
    assert "left out; to see it: pip install 'flyte-agent-elsewhere[local]'" in out
    assert "read the code" in out
    assert not list(tmp_path.glob("flyte-agent-demo-*"))
    assert "\x1b[" not in out  # a file wants no colours


@pytest.mark.parametrize(
    ("chapter", "said"),
    [
        ("BrokenChapter", "failed to run the job: field x: found 1, expected 2; set it to 2"),
        ("NoMistakeChapter", "was to fail and did not"),
        ("CarelessChapter", "bytes"),  # what would hurt a real Flyte
    ],
)
def test_a_chapter_that_goes_wrong_is_an_error(with_demo: Any, chapter: str, said: str) -> None:
    code, out, errors = demo(with_demo(reference=chapter), "--agent", "reference")
    assert code == 1, out
    assert "Error: " in errors
    assert said in errors
    assert "Traceback" not in errors


def test_a_chapter_that_lacks_a_library_says_how_to_get_it(with_demo: Any) -> None:
    world = with_demo(reference="ReferenceChapter")
    world.module("needs_duck", "import duck_that_is_not_installed")
    world.add("flyte-agent-duck", flyte_agent__demo={"reference": "needs_duck:Duck"})
    code, _, errors = demo(world, "--agent", "reference")
    assert code == 1
    assert "pip install 'flyte-agent-duck[local]'" in errors


def test_without_chapters_the_demo_says_what_to_install(with_reference: Any) -> None:
    code, _, errors = demo(with_reference, "--agent", "reference")
    assert code == 1
    assert "pip install 'flyte-agent-bigquery[local]'" in errors


def test_the_sandbox_says_what_keeps_a_proxy_out_of_the_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from flyte_agent_server.sandbox import _PROXIES, environment_of

    for name in _PROXIES:
        monkeypatch.delenv(name, raising=False)
    assert environment_of([]) == {}
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "example.com")
    hosts = "example.com,127.0.0.1,localhost"
    assert environment_of([]) == {"no_proxy": hosts, "NO_PROXY": hosts}


def test_the_sandbox_says_what_to_set_and_goes_on_ctrl_c(with_demo: Any) -> None:
    world = with_demo(reference="ReferenceChapter")
    command = ["-m", "flyte_agent_server", "sandbox", "--agent", "reference", "--port", "0"]
    with world.start(*command) as process:
        exports = [process.stdout.readline(), process.stdout.readline()]
        assert re.fullmatch(r"export REFERENCE_HOST=http://127\.0\.0\.1:\d+\n", exports[0])
        assert exports[1] == "export REFERENCE_WORDS='two words'\n"
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, "")
    ports = ports_in(exports[0] + errors)
    assert len(ports) == 3
    assert not [port for port in ports if is_open(port)]
    assert "nothing is left running" in errors
    assert "Traceback" not in errors


def test_a_stand_in_that_lacks_a_library_says_how_to_get_it(with_demo: Any) -> None:
    world = with_demo(reference="ReferenceChapter")
    world.module("needs_duck", "import duck_that_is_not_installed")
    world.add("flyte-agent-duck", flyte_agent__sandbox={"reference": "needs_duck:Duck"})
    done = world.run("sandbox", "--agent", "reference", "--port", "0")
    assert done.returncode == 1
    assert "No module named 'duck_that_is_not_installed'" in done.stderr
    assert "pip install 'flyte-agent-duck[local]'" in done.stderr
