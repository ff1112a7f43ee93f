"""How a sensor reaches its bucket, and as whom."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from flyte_agent_core import Config
from flyte_agent_core.fields import did_you_mean, invalid

from .address import check_owner, check_role
from .fields import check_types

Addressing = Literal["auto", "path", "virtual"]
ADDRESSING = ("auto", "path", "virtual")

_REGION = re.compile(r"[a-z0-9-]{2,40}")
_SECRET = re.compile(r"[A-Za-z0-9]+(?:[-_.][A-Za-z0-9]+)*")
_LONGEST_CHAIN = 5


@dataclass
class S3Config(Config):
    """
    Where the bucket is and as whom to look; everything has a default.

    Attributes:
        region: Region of the bucket; found out if not given.
        endpoint_url: Another store than AWS: MinIO, Ceph, R2, Google's interoperability API.
        addressing: ``path`` for ``endpoint/bucket/key``, ``virtual`` for ``bucket.endpoint/key``.
        credentials: Name of the secret with an access key; the service's own identity if not given.
        role_arn: Role to assume.
        role_chain: Roles to assume before it, in order.
        external_id: What the last role's owner asks for.
        web_identity: Name of the secret with a token for which the first role is given.
        anonymous: Whether to sign nothing, for public buckets.
        requester_pays: Whether to accept the costs of requests and downloads.
        expected_bucket_owner: The account that must own the bucket.
        sse_c_key: Name of the secret with the key of objects that are encrypted with the customer's.
    """

    region: str | None = None
    endpoint_url: str | None = None
    addressing: Addressing = "auto"
    credentials: str | None = None
    role_arn: str | None = None
    role_chain: list[str] = field(default_factory=list)
    external_id: str | None = None
    web_identity: str | None = None
    anonymous: bool = False
    requester_pays: bool = False
    expected_bucket_owner: str | None = None
    sse_c_key: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be, and what contradicts itself."""
        check_types("", self)
        if self.region is not None and not _REGION.fullmatch(self.region):
            raise invalid("region", self.region, "a region such as 'eu-central-1'")
        if self.addressing not in ADDRESSING:
            repair = did_you_mean(str(self.addressing), ADDRESSING)
            raise invalid("addressing", self.addressing, ", ".join(ADDRESSING), repair)
        if self.endpoint_url is not None:
            _check_endpoint(self.endpoint_url)
        for name in ("credentials", "web_identity", "sse_c_key"):
            _check_secret(name, getattr(self, name))
        if self.expected_bucket_owner is not None:
            check_owner(self.expected_bucket_owner)
        self._check_roles()

    def _check_roles(self) -> None:
        for role in self.roles:
            check_role(role)
        if self.role_chain and not self.role_arn:
            raise invalid("role_chain", self.role_chain, "role_arn, the last one, beside it")
        if len(self.roles) > _LONGEST_CHAIN:
            raise invalid("role_chain", len(self.roles), f"at most {_LONGEST_CHAIN} roles in all")
        for name in ("external_id", "web_identity"):
            if getattr(self, name) and not self.role_arn:
                raise invalid(name, getattr(self, name), "a role_arn that it is for")
        given = [n for n in ("credentials", "role_arn", "requester_pays") if getattr(self, n)]
        if self.anonymous and given:
            raise invalid("anonymous", self.anonymous, f"no {given[0]} beside it")
        if self.credentials and self.web_identity:
            raise invalid("web_identity", self.web_identity, "no credentials beside it")

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles to assume, in order."""
        return (*self.role_chain, self.role_arn) if self.role_arn else ()


def _check_secret(name: str, value: str | None) -> None:
    if value is not None and not _SECRET.fullmatch(value):
        # A value that was put here by mistake must not stand in the message.
        raise invalid(name, f"{len(value)} characters", "the name of a secret, never its value")


def _check_endpoint(text: str) -> None:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise invalid("endpoint_url", text, "an address such as 'https://minio.example.org:9000'")
    if parts.username or parts.password:
        repair = "Put the access key into a secret, and its name into credentials."
        raise invalid("endpoint_url", f"{parts.scheme}://…@{parts.hostname}", "no password", repair)
    if parts.query or parts.fragment:
        raise invalid("endpoint_url", text, "an address without ? and #")
