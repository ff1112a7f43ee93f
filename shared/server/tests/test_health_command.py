"""``flyte-agent health``: what a container's own health check asks."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from click.testing import CliRunner, Result

from flyte_agent_server import cli, flyte1


def health(port: int, *args: str) -> Result:
    return CliRunner().invoke(cli.main, ["health", "--address", f"127.0.0.1:{port}", *args])


def test_it_says_whether_the_service_serves(serve: Any) -> None:
    _, running = serve()
    port = running.service.port
    assert (health(port).exit_code, health(port).output) == (0, "SERVING\n")
    assert health(port, "--service", flyte1.ASYNC).exit_code == 0
    unknown = health(port, "--service", "mistyped")
    assert unknown.exit_code == 1
    assert "NOT_FOUND: no service 'mistyped' here" in unknown.output
    running.call(running.service._health.drain)
    assert (health(port).exit_code, health(port).output) == (1, "NOT_SERVING\n")


def test_nobody_there_is_an_answer_too() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        done = health(nobody.getsockname()[1], "--timeout", "5")
    assert done.exit_code == 1
    assert "UNAVAILABLE" in done.output


def test_it_shows_a_certificate_where_one_is_asked_for(serve: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = map(str, authority.issue("service"))
    ca = str(authority.certificate)
    _, running = serve(tls_cert=cert, tls_key=key, tls_client_ca=ca)
    port = running.service.port
    assert health(port, "--tls-ca", ca, "--tls-cert", cert, "--tls-key", key).exit_code == 0
    assert health(port, "--tls-ca", ca).exit_code == 1


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--tls-ca", "nowhere.pem"], "--tls-ca: nowhere.pem cannot be read: No such file"),
        (["--tls-cert", "a", "--tls-key", "b"], "--tls-ca: found nothing"),
        (["--tls-ca", "a", "--tls-key", "b"], "expected both or none"),
    ],
)
def test_mistakes_are_named(args: list[str], says: str) -> None:
    done = health(1, *args)
    assert done.exit_code == 1
    assert says in done.output
