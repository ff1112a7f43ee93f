"""Certificates: what is asked of callers, and renewal without a restart."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import time
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from certificates import Authority
from flyteidl.admin import agent_pb2
from flyteidl.service import agent_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flyte_agent_server.errors import ConfigFileError
from flyte_agent_server.tls import Certificates


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def listed(channel: grpc.Channel) -> int:
    stub = agent_pb2_grpc.AgentMetadataServiceStub(channel)
    return len(stub.ListAgents(agent_pb2.ListAgentsRequest(), timeout=10).agents)


def encrypted(
    port: int, roots: Path, cert: Path | None = None, key: Path | None = None
) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(
        roots.read_bytes(), key.read_bytes() if key else None, cert.read_bytes() if cert else None
    )
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials)


def presented(port: int) -> bytes:
    """The certificate that the port shows now."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain) as secure,
    ):
        shown = secure.getpeercert(binary_form=True)
    assert shown
    return shown


def test_an_encrypted_port_answers_nobody_in_plain_text(serve: Any, authority: Authority) -> None:
    cert, key = authority.issue("service")
    stubs, running = serve(tls_cert=str(cert), tls_key=str(key))
    with encrypted(running.service.port, authority.certificate) as channel:
        assert listed(channel) == 0
    with pytest.raises(grpc.RpcError) as refused:
        listed(stubs.channel)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_callers_must_show_a_certificate_of_the_authority(
    serve: Any, authority: Authority, tmp_path: Path
) -> None:
    cert, key = authority.issue("service")
    files = {"tls_cert": str(cert), "tls_key": str(key)}
    _, running = serve(**files, tls_client_ca=str(authority.certificate))
    port = running.service.port
    with encrypted(port, authority.certificate, *authority.issue("caller")) as channel:
        assert listed(channel) == 0
    stranger = Authority(tmp_path, "stranger").issue("caller", "strangers")
    for shown in ((), stranger):
        with encrypted(port, authority.certificate, *shown) as channel:
            with pytest.raises(grpc.RpcError):
                listed(channel)
            with pytest.raises(grpc.RpcError):
                health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=10
                )


def test_metrics_stay_on_the_machine_when_callers_show_certificates(
    serve: Any, authority: Authority
) -> None:
    cert, key = authority.issue("service")
    _, running = serve(
        host="[::]", tls_cert=str(cert), tls_key=str(key), tls_client_ca=str(authority.certificate)
    )
    assert running.service.settings.metrics_address == "127.0.0.1"


def test_renewed_certificates_count_from_the_next_connection(
    serve: Any, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a signal; and files that do not fit together change nothing."""
    cert, key = authority.issue("service")
    _, running = serve(tls_cert=str(cert), tls_key=str(key))
    port = running.service.port
    first = presented(port)
    assert presented(port) == first
    with caplog.at_level(logging.INFO, "flyte_agent.server"):
        authority.issue("another")[0].rename(cert)  # and the key is still the old one
        assert presented(port) == first
        assert "the old ones stay" in caplog.text
        authority.issue("service")
        second = presented(port)
    assert second != first
    assert "read again" in caplog.text


@pytest.mark.parametrize("broken", ["missing", "not a certificate", "of another key"])
def test_files_that_cannot_be_used_are_named(
    broken: str, authority: Authority, tmp_path: Path
) -> None:
    cert, key = authority.issue("service")
    if broken == "missing":
        cert = tmp_path / "nowhere"
    elif broken == "not a certificate":
        cert.write_text("hello")
    else:
        _, key = authority.issue("another")
    with pytest.raises(ConfigFileError, match=r"tls_cert, tls_key: found .*expected a PEM"):
        Certificates(str(cert), str(key))


def test_authorities_that_cannot_be_read_are_named(authority: Authority) -> None:
    cert, key = authority.issue("service")
    with pytest.raises(ConfigFileError, match="tls_client_ca: found"):
        Certificates(str(cert), str(key), str(key))


def test_a_certificate_needs_its_key(serve: Any, authority: Authority) -> None:
    with pytest.raises(ConfigFileError, match="tls_key: found none"):
        serve(tls_cert=str(authority.certificate))


def test_a_certificate_that_has_ended_is_refused(authority: Authority) -> None:
    """Every caller would refuse it, and none could say so to us."""
    cert, key = authority.issue("service", days=-1)
    with pytest.raises(ConfigFileError, match=r"tls_cert: found a certificate that has ended"):
        Certificates(str(cert), str(key))


def test_a_certificate_that_ends_soon_is_reported(
    serve: Any, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = authority.issue("service", days=2)
    _, running = serve(tls_cert=str(cert), tls_key=str(key))
    assert re.search(r"service\.crt ends in [12]\.\d days: renew it", caplog.text)
    url = f"http://127.0.0.1:{running.service.metrics_port}/metrics"
    with urllib.request.urlopen(url, timeout=10) as page:
        text = page.read().decode()
    (line,) = re.findall(r"^flyte_agent_tls_expiry_timestamp_seconds (\S+)$", text, re.MULTILINE)
    assert 0 < float(line) - time.time() < 3 * 86_400
