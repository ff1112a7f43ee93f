"""``/`` on the metrics port: what a person reads, over HTTP and in a browser."""

from __future__ import annotations

import logging
import shutil
import subprocess
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyte_agent_reference.agent import EchoAgent
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2

from flyte_agent_core import observe
from flyte_agent_core.secrets import Secret
from flyte_agent_server.catalogue import Catalogue
from flyte_agent_server.metrics import Metrics
from flyte_agent_server.status_page import StatusPage

HOSTILE = "<script>alert('x')</script>&\"'"


class Tags(HTMLParser):
    """The names of a page's elements, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """Note an element."""
        self.names.append(tag)

    def handle_data(self, data: str) -> None:
        """Note text."""
        self.text += data + "\n"


def page(running: Any) -> str:
    url = f"http://127.0.0.1:{running.service.metrics_port}/"
    with urllib.request.urlopen(url, timeout=10) as answer:
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        return answer.read().decode()


def call(stubs: Any, running: Any) -> None:
    """One call that passes, one that fails, and one vendor that fails."""
    stubs.metadata.ListAgents(agent_pb2.ListAgentsRequest())
    template = tasks_pb2.TaskTemplate(type="reference_job")
    template.custom.update({"create": "busy"})
    with pytest.raises(grpc.RpcError):
        stubs.tasks.CreateTask(
            agent_pb2.CreateTaskRequest(template=template, output_prefix="s3://a/b")
        )
    with observe.vendor_call("acme", "jobs.get") as vendor:
        vendor.code = "200"
    with pytest.raises(KeyError):
        fail_at_the_vendor()


def fail_at_the_vendor() -> None:
    with observe.vendor_call("acme", "jobs.get") as vendor:
        vendor.code = HOSTILE
        raise KeyError


def test_it_tells_agents_calls_vendors_and_errors(reference: Any) -> None:
    stubs, running = reference
    call(stubs, running)
    text = Tags(page(running)).text
    for said in ("Reference Agent", "reference_job", "list_agents", "acme", "failing"):
        assert said in text
    assert "the vendor is busy" in text


def test_everything_is_escaped_and_known_secrets_are_not_told(reference: Any) -> None:
    _, running = reference
    log = logging.getLogger("flyte_agent.server")
    log.warning("%s %s", HOSTILE, Secret("hunter2hunter2").reveal())
    tags = Tags(page(running))
    assert "script" not in tags.names
    assert HOSTILE in tags.text
    assert "hunter2" not in tags.text


def test_other_paths_are_not_found(reference: Any) -> None:
    _, running = reference
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{running.service.metrics_port}/x", timeout=10)


def test_rates_are_those_of_the_last_minute() -> None:
    now = [0.0]
    metrics = Metrics()
    status = StatusPage(Catalogue([EchoAgent()]), metrics, clock=lambda: now[0])
    for _ in range(600):
        metrics.calls.answered("reference_echo", "do", 0.02)
    now[0] = 30.0
    status.tick()
    assert "20.00/s" in status.html()
    now[0] = 100.0
    status.tick()
    metrics.calls.answered("reference_echo", "do", 0.02)
    now[0] = 110.0
    text = status.html()
    assert "0.01/s" in text
    assert "25 ms" in text


def test_a_browser_shows_it(reference: Any, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium here: apt-get install chromium")
    stubs, running = reference
    call(stubs, running)
    logging.getLogger("flyte_agent.server").error(HOSTILE)
    url = f"http://127.0.0.1:{running.service.metrics_port}/"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    shown = subprocess.run(
        [browser, *flags, "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert "Reference Agent" in Tags(shown).text
    assert "script" not in Tags(shown).names
    picture = tmp_path / "page.png"
    subprocess.run(
        [browser, *flags, "--window-size=1100,900", f"--screenshot={picture}", url],
        capture_output=True,
        timeout=120,
        check=True,
    )
    assert picture.stat().st_size > 10_000
