"""The command: quick, exact, and gone when it is told to go."""

from __future__ import annotations

import json
import os
import re
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from flyteidl.admin import agent_pb2
from flyteidl.core import tasks_pb2
from flyteidl.service import agent_pb2_grpc
from google.protobuf import json_format, struct_pb2


def line_of(process: Any, pattern: str) -> re.Match[str]:
    """Read standard error up to a line that matches."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if found := re.search(pattern, line):
            return found
    raise AssertionError("".join(seen))


QUICK = """
import sys
sys.argv = ["flyte-agent", "--help"]
try:
    from flyte_agent_server.cli import main
    main()
except SystemExit:
    pass
print([m for m in ("flytekit", "grpc", "rich", "flyte_agent_core") if m in sys.modules])
"""


def test_help_loads_nothing(installed: Any) -> None:
    with installed.start("-c", QUICK) as process:
        out, errors = process.communicate(timeout=30)
    assert out.endswith("[]\n"), (out, errors)


def test_an_unknown_agent_is_a_usage_error(with_reference: Any) -> None:
    done = with_reference.run("serve", "--agent", "referense")
    assert done.returncode == 2
    assert "did you mean 'reference'?" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_serve_is_an_error_that_says_why(installed: Any) -> None:
    installed.module("broken_plugin", "raise ImportError('libfoo is missing')")
    installed.add("broken", flytekit__plugins={"broken": "broken_plugin"})
    done = installed.run("serve", "--agent", "broken")
    assert done.returncode == 1
    assert "Error: no agent could be loaded:\n  broken: ImportError: libfoo is missing" in (
        done.stderr
    )


def test_a_person_sees_a_table(with_reference: Any) -> None:
    done = with_reference.run("list", "--agent", "reference")
    assert done.returncode == 0
    assert re.search(r"reference +flyte-agent-reference 1\.2\.3 +reference_job +async", done.stdout)
    assert "Sensor" not in done.stdout


def create(**custom: str) -> agent_pb2.CreateTaskRequest:
    template = tasks_pb2.TaskTemplate(type="reference_job")
    template.custom.CopyFrom(json_format.ParseDict(custom, struct_pb2.Struct()))
    return agent_pb2.CreateTaskRequest(template=template, output_prefix="s3://bucket/a")


@pytest.fixture
def service(with_reference: Any) -> Any:
    command = ["-m", "flyte_agent_server", "serve", "--agent", "reference"]
    options = ["--host", "127.0.0.1", "--port", "0", "--metrics-port", "0", "--log-format", "json"]
    process = with_reference.start(*command, *options, "--grace", "30")
    yield process
    process.kill()
    process.communicate()


def test_sigterm_drains(service: Any, tmp_path: Path) -> None:
    """A create in flight is answered, new calls are refused, the exit code is 0."""
    pipe = tmp_path / "pipe"  # the vendor answers when somebody writes to it
    os.mkfifo(pipe)
    metrics = line_of(service, r"metrics on (http://[^\"]+)").group(1)
    started = json.loads(line_of(service, r".*serving .* on .*").group(0))
    assert started["level"] == "INFO"
    address = started["message"].rpartition(" ")[2]
    with grpc.insecure_channel(address) as channel:
        tasks = agent_pb2_grpc.AsyncAgentServiceStub(channel)
        metadata = agent_pb2_grpc.AgentMetadataServiceStub(channel)
        listing = metadata.ListAgents(agent_pb2.ListAgentsRequest(), timeout=10)
        types = sorted(t for agent in listing.agents for t in agent.supported_task_types)
        assert types == ["reference_alias", "reference_echo", "reference_job"]
        with urllib.request.urlopen(metrics, timeout=10) as page:
            assert b'requests_success_total{operation="list_agents",task_type=""} 1.0' in (
                page.read()
            )
        call = tasks.CreateTask.future(create(create="reads", pipe=str(pipe)), timeout=60)
        with pipe.open("w") as answer:  # opens when the agent reads: the create is in flight
            wait_until_refused(service, metadata)
            answer.write("accepted")
        assert json.loads(call.result().resource_meta)["job"]
    service.wait(30)
    assert service.returncode == 0
    assert '"stopped"' in service.stderr.read()


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux alone has it")
def test_threads_of_a_service_wait_for_their_turn(service: Any) -> None:
    line_of(service, r".*serving .* on .*")
    threads = [int(each.name) for each in Path(f"/proc/{service.pid}/task").iterdir()]
    assert len(threads) > 1
    assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_BATCH}


def wait_until_refused(service: Any, metadata: Any) -> None:
    service.send_signal(signal.SIGTERM)
    line_of(service, "SIGTERM: draining")
    ends = time.monotonic() + 10
    code = None
    while code is None and time.monotonic() < ends:
        try:
            metadata.ListAgents(agent_pb2.ListAgentsRequest(), timeout=5)
        except grpc.RpcError as error:
            code = error.code()
    # grpc's server cancels a call that arrives in the same moment as it shuts down.
    assert code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}


def test_a_second_signal_stops_at_once(service: Any) -> None:
    address = line_of(service, r"serving .* on ([0-9.:]+)").group(1)
    with grpc.insecure_channel(address) as channel:
        tasks = agent_pb2_grpc.AsyncAgentServiceStub(channel)
        grpc.channel_ready_future(channel).result(10)
        call = tasks.CreateTask.future(create(create="waits"), timeout=60)
        metadata = agent_pb2_grpc.AgentMetadataServiceStub(channel)
        wait_until_refused(service, metadata)
        service.send_signal(signal.SIGINT)
        service.wait(20)
        with pytest.raises(grpc.RpcError):
            call.result()


def test_a_taken_port_is_an_error_that_says_what_to_do(serve: Any, with_reference: Any) -> None:
    _, running = serve()
    port = str(running.service.port)
    options = ["--agent", "reference", "--host", "127.0.0.1", "--port", port]
    done = with_reference.run("serve", *options, "--no-metrics")
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr
