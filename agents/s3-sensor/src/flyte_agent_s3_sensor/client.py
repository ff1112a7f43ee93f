"""
S3, by AWS's SDK: one method per call, errors of the core, one attempt each.

A call that fails is not repeated here: the next poll looks again, and meanwhile the sensor keeps the
phase it has. So no call outlives Flyte's patience with a poll.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import AWSRequest
from botocore.config import Config as BotoConfig

from flyte_agent_core import AgentError, ProtocolError

from .connections import Connections, trust
from .credentials import REGION, customer_key, kind_of, session_of
from .errors import to_agent_error
from .heads import AskTheClient, Heads
from .objects import Seen
from .queues import Queues
from .reporting import reporting

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from botocore.session import Session

    from .account import Account

CONNECTIONS = 64
PAGE_KEYS = 1000


class Page(NamedTuple):
    """
    One page of a listing.

    Attributes:
        token: What asks for the next page; empty at the end.
    """

    objects: list[Seen]
    token: str


class S3Client:
    """
    S3 as one account; safe to use from any thread.

    Attributes:
        region: Where requests go, unless a bucket is elsewhere.
        queues: SQS as the same account.
    """

    def __init__(self, account: Account) -> None:
        config = account.config
        try:
            session = session_of(account)
            self._session = boto3.session.Session(botocore_session=session)
            self.region: str = config.region or self._session.region_name or REGION
            self._endpoint = config.endpoint_url
            self._anonymous = config.anonymous
            self._s3 = self._client("s3", config.addressing)
            self._extra = _extra(account)
            self._sse_c = _sse_c(account)
            said = {**self._extra, **self._sse_c}
            self._heads = Heads(self._s3, self._session.get_credentials, said)
            self._connections = Connections(self._trust(session))
        except AgentError:
            raise
        except Exception as error:  # whatever botocore finds wrong with files and variables
            raise to_agent_error(error) from error
        self.queues = Queues(lambda: self._client("sqs"))

    @property
    def credentials_kind(self) -> str:
        """What sort of credentials these are, in words; empty for none."""
        if self._anonymous:
            return "none: anonymous"
        kind: str = _translated(lambda: kind_of(self._session._session))  # noqa: SLF001  # boto3 hides botocore's
        return kind

    @property
    def endpoint(self) -> str:
        """The address that requests go to."""
        return str(self._s3.meta.endpoint_url)

    def server_time_s(self) -> float | None:
        """
        Return S3's clock in seconds since 1970, ``None`` if it does not say.

        What answers need not let anybody in: this asks without credentials, for nothing.
        """
        # The client's own: with its proxies, authorities and time limits.
        session = self._s3._endpoint.http_session  # noqa: SLF001  # botocore does not show it
        request = AWSRequest(method="HEAD", url=f"{self.endpoint}/").prepare()
        answer = _translated(lambda: session.send(request))
        said = answer.headers.get("date")
        return parsedate_to_datetime(said).timestamp() if said else None

    def head(self, bucket: str, key: str) -> Seen | None:
        """Return an object, or ``None`` for 404: no such key, or no such bucket."""
        with reporting("HeadObject"):
            answer = self._heads.first(bucket, key)
        return None if answer is None else _seen(key, answer)

    async def head_further(self, bucket: str, key: str) -> Seen | None:
        """
        Return the same without blocking, for a further key of a bucket.

        Raises:
            AskTheClient: :meth:`head` must ask.
        """
        request = self._heads.signed(bucket, key)
        with reporting("HeadObject"):
            answer = await self._connections.send(request)
            is_elsewhere = self._heads.is_elsewhere(bucket, answer)
            found = None if is_elsewhere else self._heads.read(request, answer)
        if is_elsewhere:
            raise AskTheClient
        return None if found is None else _seen(key, found)

    def head_bucket(self, bucket: str) -> None:
        """Raise if the bucket is not there, or may not be asked for."""
        with reporting("HeadBucket"):
            self._s3.head_bucket(Bucket=bucket, **self._owner())

    def list_page(
        self, bucket: str, prefix: str, *, token: str = "", after: str = "", limit: int = PAGE_KEYS
    ) -> Page:
        """
        Return a page of a listing.

        Args:
            bucket: Where.
            prefix: What keys begin with.
            token: Of the page before.
            after: Only keys behind this one, for the first page.
            limit: Keys at most.

        Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
        """
        said: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": limit, **self._extra}
        if token:
            said["ContinuationToken"] = token
        elif after:
            said["StartAfter"] = after
        with reporting("ListObjectsV2"):
            answer = self._s3.list_objects_v2(**said)
        if "KeyCount" not in answer and "IsTruncated" not in answer:
            raise ProtocolError(
                "S3 ListObjectsV2: found no listing in the answer", code="S3.PROTOCOL"
            )
        found = [_listed(entry) for entry in answer.get("Contents", ())]
        return Page(
            found, answer.get("NextContinuationToken", "") if answer.get("IsTruncated") else ""
        )

    def tags(self, bucket: str, key: str) -> dict[str, str]:
        """Return an object's tags."""
        with reporting("GetObjectTagging"):
            answer = self._s3.get_object_tagging(Bucket=bucket, Key=key, **self._extra)
        return {tag["Key"]: tag["Value"] for tag in answer.get("TagSet", ())}

    def read(self, bucket: str, key: str, limit_bytes: int) -> bytes:
        """Return the first bytes of an object, one more than ``limit_bytes`` if there are more."""
        wanted = f"bytes=0-{limit_bytes}"
        with reporting("GetObject"):
            answer = self._s3.get_object(
                Bucket=bucket, Key=key, Range=wanted, **self._extra, **self._sse_c
            )
            with answer["Body"] as body:
                data: bytes = body.read(limit_bytes + 1)
        return data

    def _client(self, service: str, addressing: str = "auto") -> Any:
        options: dict[str, Any] = {"signature_version": UNSIGNED} if self._anonymous else {}
        config = BotoConfig(
            connect_timeout=2,
            read_timeout=4,
            max_pool_connections=CONNECTIONS,
            retries={"total_max_attempts": 1, "mode": "standard"},
            s3={"addressing_style": addressing},
            # Stores other than AWS refuse checksums that nobody has asked for.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            user_agent_extra="flyte-agent-s3-sensor",
            **options,
        )
        endpoint = self._endpoint if service == "s3" else None
        return self._session.client(
            service, region_name=self.region, endpoint_url=endpoint, config=config
        )

    def _trust(self, session: Session) -> ssl.SSLContext | None:
        if not self.endpoint.startswith("https:"):
            return None
        return trust(session.get_config_variable("ca_bundle"))

    def _owner(self) -> dict[str, str]:
        return {name: v for name, v in self._extra.items() if name == "ExpectedBucketOwner"}


def _translated(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except Exception as error:
        raise to_agent_error(error) from error


def _extra(account: Account) -> dict[str, Any]:
    config, made = account.config, {}
    if config.requester_pays:
        made["RequestPayer"] = "requester"
    if config.expected_bucket_owner:
        made["ExpectedBucketOwner"] = config.expected_bucket_owner
    return made


def _sse_c(account: Account) -> dict[str, Any]:
    key = customer_key(account)
    return {} if key is None else {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": key}


def _seen(key: str, answer: dict[str, Any]) -> Seen:
    if not answer.get("ETag") or not answer.get("LastModified"):
        raise ProtocolError(
            f"S3 HeadObject: found neither ETag nor date of {key[:200]!r}", code="S3.PROTOCOL"
        )
    return Seen(
        key=key,
        size_bytes=int(answer.get("ContentLength") or 0),
        etag=answer["ETag"].strip('"'),
        modified_s=answer["LastModified"].timestamp(),
        storage_class=answer.get("StorageClass") or "STANDARD",
        version_id=answer.get("VersionId"),
        content_type=answer.get("ContentType"),
        metadata=answer.get("Metadata") or {},
        is_whole=True,
    )


def _listed(entry: dict[str, Any]) -> Seen:
    return Seen(
        key=entry["Key"],
        size_bytes=int(entry.get("Size") or 0),
        etag=str(entry.get("ETag") or "").strip('"'),
        modified_s=entry["LastModified"].timestamp(),
        storage_class=entry.get("StorageClass") or "STANDARD",
    )
