"""
Until when a certificate is valid.

The standard library tells a certificate's dates only to a peer that has verified it, so one in
memory does: it trusts the very certificate that it is shown.
"""

from __future__ import annotations

import contextlib
import ssl
import time

from .errors import ConfigFileError

SOON_S = 7 * 86_400.0
"""A certificate that ends so soon is worth a warning; what renews them does it well before."""

_NOT_YET_VALID, _EXPIRED = 9, 10  # OpenSSL's X509_V_ERR_…


def expires_s(server: ssl.SSLContext, cert: str) -> float:
    """
    Return when the certificate ends, in seconds since 1970; 0 when it is made for no server.

    Args:
        server: Has the certificate and its key.
        cert: The file with the certificate.

    Raises:
        ConfigFileError: It has ended, or has not begun.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cert)
    try:
        shown = _shake_hands(server, client)
    except ssl.SSLCertVerificationError as error:
        if error.verify_code not in {_NOT_YET_VALID, _EXPIRED}:
            return 0.0  # such as a wrong purpose: callers decide, and some do not look
        found = "that has ended" if error.verify_code == _EXPIRED else "that is not valid yet"
        now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        raise ConfigFileError(
            f"tls_cert: found a certificate {found} in {cert}, expected one that is valid now "
            f"({now} by this machine's clock): renew it, or set the clock"
        ) from error
    return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))


def _shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> dict[str, object]:
    """Return what the client is told of the server's certificate."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(3):
        for side in sides:
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
    return dict(sides[0].getpeercert() or {})
