"""A certificate authority for one test."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """Signs certificates for 127.0.0.1 and writes them to a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        self.certificate = folder / f"{name}.pem"
        self.certificate.write_bytes(self._sign(self._name, self._key, authority=True))

    def issue(self, name: str, stem: str = "", *, days: int = 30) -> tuple[Path, Path]:
        """Write a certificate and its key as ``<stem>.crt`` and ``<stem>.key``; it ends in ``days``."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self.folder / f"{stem or name}.crt"
        certificate.write_bytes(self._sign(_named(name), key, days=days))
        secret = self.folder / f"{stem or name}.key"
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate, secret

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        authority: bool = False,
        days: int = 30,
    ) -> bytes:
        now = dt.datetime.now(dt.timezone.utc)
        address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        made = (
            x509
            .CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=9))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([address]), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM)


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
