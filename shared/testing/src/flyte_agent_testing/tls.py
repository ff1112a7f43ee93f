"""
Certificates for stand-ins that are to be reached by ``https``.

Some SDKs take no other address. The client has to trust the authority that signed::

    tls = make_certificate(tmp_path)
    with FakeWeather(tls=tls) as server:
        weather_sdk.Client(server.url, ca_file=tls.authority)  # server.url begins with https://

Programs without such an argument mostly go by the environment variable ``SSL_CERT_FILE``, which must be set before they
start.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Certificate:
    """
    Files in PEM.

    Attributes:
        chain: The server's certificate, followed by what is needed to check it.
        key: The private key of it.
        authority: The certificate of who signed it, for clients.
    """

    chain: Path
    key: Path
    authority: Path


def make_certificate(folder: Path, *names: str) -> Certificate:
    """
    Make an authority, and a certificate of a server on this machine; write both into a folder.

    Args:
        folder: An existing one, such as pytest's ``tmp_path``.
        names: Further names and addresses of the server; ``127.0.0.1`` and ``localhost`` are among them.

    Raises:
        ImportError: The extra ``tls`` is not installed.
    """
    try:
        import trustme
    except ImportError as error:
        raise ImportError(
            "certificates need trustme: pip install 'flyte-agent-testing[tls]'"
        ) from error

    made = Certificate(*(folder / name for name in ("server.pem", "server.key", "authority.pem")))
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost", *names)
    for number, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(made.chain), append=number > 0)
    issued.private_key_pem.write_to_path(str(made.key))
    authority.cert_pem.write_to_path(str(made.authority))
    return made
