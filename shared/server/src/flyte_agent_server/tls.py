"""
The certificates of the gRPC port, read again when they change.

gRPC asks for them at every handshake (``grpc.dynamic_ssl_server_credentials``), so renewed files
count from the next connection on and nothing has to be restarted; connections that exist stay.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc

from .errors import ConfigFileError
from .tls_expiry import SOON_S, expires_s

if TYPE_CHECKING:
    from .settings import Settings

_log = logging.getLogger("flyte_agent.server")


class Certificates:
    """
    Certificate, key and, for mutual TLS, the authorities of callers.

    Attributes:
        expires_s: When the certificate ends, in seconds since 1970; 0 when that cannot be told.
    """

    def __init__(self, cert: str, key: str, client_ca: str = "") -> None:
        """
        Read the files.

        Raises:
            ConfigFileError: One is missing, or they do not belong together.
        """
        self._cert, self._key, self._client_ca = cert, key, client_ca
        self.expires_s = 0.0
        self._lock = threading.Lock()  # gRPC asks from threads of its own
        self._seen = self._signature()
        self._current = self._read()

    @classmethod
    def of(cls, settings: Settings) -> Certificates | None:
        """
        Return the certificates that the settings name; ``None`` for plain text.

        Raises:
            ConfigFileError: One is missing, or they do not belong together.
        """
        if not (settings.tls_cert or settings.tls_key or settings.tls_client_ca):
            return None
        for name in ("tls_cert", "tls_key"):
            if not getattr(settings, name):
                raise ConfigFileError(f"{name}: found none, expected a file: TLS needs both")
        return cls(settings.tls_cert, settings.tls_key, settings.tls_client_ca)

    def credentials(self) -> Any:
        """Return what gRPC binds a port with."""
        return grpc.dynamic_ssl_server_credentials(
            self._current, self._fetch, require_client_authentication=bool(self._client_ca)
        )

    def reload(self) -> None:
        """
        Read the files again; the old ones stay when the new ones cannot be used.

        Raises:
            ConfigFileError: One is missing, or they do not belong together.
        """
        with self._lock:
            self._seen = self._signature()
            self._current = self._read()

    def _fetch(self) -> Any:
        """Return the certificates for the next handshake."""
        if self._signature() != self._seen:
            try:
                self.reload()
                _log.info("TLS certificates have changed and were read again")
            except ConfigFileError as error:
                _log.error("TLS certificates have changed; the old ones stay: %s", error)
        return self._current

    def _signature(self) -> list[tuple[int, int, int]]:
        found = []
        for file in (self._cert, self._key, self._client_ca):
            try:
                status = Path(file).stat()
            except OSError:  # reading says what is wrong
                continue
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return found

    def _read(self) -> Any:
        self._check()
        key, cert = Path(self._key).read_bytes(), Path(self._cert).read_bytes()
        roots = Path(self._client_ca).read_bytes() if self._client_ca else None
        return grpc.ssl_server_certificate_configuration([(key, cert)], roots)

    def _check(self) -> None:
        """Refuse what gRPC would refuse only when the first caller arrives."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._cert, self._key, password=_no_password)
        except (OSError, ssl.SSLError, ValueError) as error:
            raise ConfigFileError(
                f"tls_cert, tls_key: found {self._cert} and {self._key}, which cannot be used "
                f"together ({error}); expected a PEM certificate and its key, without a password"
            ) from error
        if self._client_ca:
            try:
                context.load_verify_locations(self._client_ca)
            except (OSError, ssl.SSLError) as error:
                raise ConfigFileError(
                    f"tls_client_ca: found {self._client_ca}, which cannot be used ({error}); "
                    "expected PEM certificates"
                ) from error
        self.expires_s = expires_s(context, self._cert)
        left_s = self.expires_s - time.time()
        if self.expires_s and left_s < SOON_S:
            _log.warning(
                "the certificate in %s ends in %.1f days: renew it", self._cert, left_s / 86_400
            )


def _no_password() -> str:
    raise ValueError("the key is encrypted")
