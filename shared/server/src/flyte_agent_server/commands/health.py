"""``flyte-agent health``."""

from __future__ import annotations

from pathlib import Path

import click
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from flyte_agent_server.errors import ConfigFileError


def run(
    address: str, service: str, timeout_s: float, tls_ca: str, tls_cert: str, tls_key: str
) -> int:
    """
    Ask a service for its health, print what it says, and return the exit code: 0 when it serves.

    Raises:
        ConfigFileError: A certificate cannot be read.
    """
    with _channel(address, tls_ca, tls_cert, tls_key) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError as error:
            click.echo(f"{address}: {error.code().name}: {error.details()}", err=True)
            return 1
    said = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    click.echo(said)
    return int(said != "SERVING")


def _channel(address: str, ca: str, cert: str, key: str) -> grpc.Channel:
    if not ca:
        if cert or key:
            raise ConfigFileError("--tls-ca: found nothing, expected it beside --tls-cert")
        return grpc.insecure_channel(address)
    if bool(cert) != bool(key):
        raise ConfigFileError("found one of --tls-cert and --tls-key, expected both or none")
    credentials = grpc.ssl_channel_credentials(
        _read("--tls-ca", ca),
        _read("--tls-key", key) if key else None,
        _read("--tls-cert", cert) if cert else None,
    )
    return grpc.secure_channel(address, credentials)


def _read(option: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigFileError(f"{option}: {path} cannot be read: {error.strerror}") from error
