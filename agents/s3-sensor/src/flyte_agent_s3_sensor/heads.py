"""
HEAD of one key after another, at a quarter of what botocore takes for each.

For every call botocore finds out anew where a bucket is, which headers the client sends and who wants
to hear of it, although for the next key of the bucket all of that is the same. And it wants a thread
for each, and a hundred threads that wait for one another cost more than the requests do. So the first
HEAD of a bucket is botocore's. The next ones are that request for another key, with botocore's
signature, on connections of the event loop, and read by botocore's parser.
"""

from __future__ import annotations

import re
import threading
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.endpoint import convert_to_response_dict
from botocore.exceptions import ClientError
from botocore.parsers import create_parser
from botocore.utils import get_environ_proxies, percent_encode

from .connections import Signed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .connections import Answer

_BUCKETS = 1000
_SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([^,]+),"
)

_ELSEWHERE = frozenset({301, 302, 303, 307, 308, 400})
"""Answers that may mean another region; botocore knows how to find it."""

_OF_ONE_REQUEST = frozenset({
    "amz-sdk-invocation-id", "authorization", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token",
})  # fmt: skip

_OF_A_SESSION = "x-amz-s3session-token"
"""Directory buckets have tokens of their own, which botocore renews."""


class AskTheClient(Exception):
    """Only botocore's client can ask this: the bucket is new, or elsewhere, or credentials are to be renewed."""


class _Like(NamedTuple):
    """
    What the requests of a bucket have in common.

    Attributes:
        address: All before the key.
        signed: Headers that are the same for every key and that the signature is for.
        others: Those that it is not for.
        region: That the signature is for; empty for requests that are not signed.
        service: The same.
        proxy: To send them through, if any.
    """

    address: str
    signed: Mapping[str, str]
    others: Mapping[str, str]
    region: str = ""
    service: str = ""
    proxy: str | None = None


class Heads:
    """
    HEADs of one client; safe to use from any thread and event loop.

    Args:
        s3: The client.
        credentials: Returns what it signs with, which may be other credentials from one hour to the next.
        said: Further parameters of each HEAD.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """

    def __init__(
        self, s3: Any, credentials: Callable[[], Any], said: Mapping[str, str | bytes]
    ) -> None:
        self._s3, self._credentials, self._said = s3, credentials, said
        self._model = s3.meta.service_model.operation_model("HeadObject")
        self._parser = create_parser("rest-xml")
        self._likes: dict[str, _Like] = {}
        self._sent = threading.local()
        s3.meta.events.register("before-send.s3.HeadObject", self._note)

    def first(self, bucket: str, key: str) -> dict[str, Any] | None:
        """Return botocore's answer, ``None`` for 404; raises what botocore raises. It blocks."""
        self._sent.request = None
        try:
            answer: dict[str, Any] | None = self._s3.head_object(
                Bucket=bucket, Key=key, **self._said
            )
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
                raise
            answer = None
        like = _like(self._sent.request, key)
        if like is not None:
            if len(self._likes) >= _BUCKETS:
                self._likes.clear()
            self._likes[bucket] = like
        return answer

    def _note(self, request: Any, **_: Any) -> None:
        self._sent.request = request  # the last one is the one that was not sent elsewhere

    def signed(self, bucket: str, key: str) -> Signed:
        """
        Return the request for a further key of a bucket.

        Raises:
            AskTheClient: :meth:`first` must ask.
        """
        like = self._likes.get(bucket)
        if like is None:
            raise AskTheClient
        request = AWSRequest("HEAD", f"{like.address}{_quoted(key)}", headers=like.signed)
        request.context["client_config"] = self._s3.meta.config
        if like.service:
            S3SigV4Auth(self._frozen(), like.service, like.region).add_auth(request)
        headers = dict(request.headers.items())
        headers |= {**like.others, "amz-sdk-invocation-id": str(uuid.uuid4())}
        return Signed(request.url, headers, like.proxy)

    def is_elsewhere(self, bucket: str, answer: Answer) -> bool:
        """Whether an answer may mean that the bucket is elsewhere, which :meth:`first` finds out."""
        is_elsewhere = answer.status in _ELSEWHERE
        if is_elsewhere:
            self._likes.pop(bucket, None)
        return is_elsewhere

    def read(self, request: Signed, answer: Answer) -> dict[str, Any] | None:
        """Return what an answer says, as :meth:`first` does."""
        if answer.status == 404:
            return None
        said = convert_to_response_dict(_response(request.url, answer), self._model)
        event, also = "before-parse.s3.HeadObject", dict[str, Any]()
        self._s3.meta.events.emit(
            event, operation_model=self._model, response_dict=said, customized_response_dict=also
        )
        parsed: dict[str, Any] = {**self._parser.parse(said, self._model.output_shape), **also}
        if answer.status < 300:
            return parsed
        raise ClientError(parsed, "HeadObject")

    def _frozen(self) -> Any:
        credentials = self._credentials()
        renews = getattr(credentials, "refresh_needed", None)
        if renews is not None and renews():
            raise AskTheClient  # that is a request of its own, and the event loop must not wait
        return credentials.get_frozen_credentials()


class _Nothing:
    """The body of an answer to HEAD."""

    def stream(self) -> list[bytes]:
        """Return its parts."""
        return []


def _response(url: str, answer: Answer) -> AWSResponse:
    """Return an answer as botocore's own connections give it."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in answer.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return AWSResponse(url, answer.status, headers, _Nothing())


def _like(request: Any, key: str) -> _Like | None:
    """Return what further requests of the bucket are like; ``None`` where that is not to be seen."""
    quoted = _quoted(key)
    if request is None or not request.url.endswith(f"/{quoted}"):
        return None
    headers = {name.lower(): _text(value) for name, value in request.headers.items()}
    match = _SIGNED.match(headers.get("authorization", ""))
    if _OF_A_SESSION in headers or ("authorization" in headers and match is None):
        return None
    region, service, names = match.groups() if match else ("", "", "")
    proxy = get_environ_proxies(request.url).get(request.url.partition(":")[0])
    if proxy and not proxy.startswith("http://"):
        return None
    kept = {name: value for name, value in headers.items() if name not in _OF_ONE_REQUEST}
    signed = {name: kept.pop(name) for name in names.split(";") if name in kept}
    return _Like(request.url.removesuffix(quoted), signed, kept, region, service, proxy)


def _quoted(key: str) -> str:
    quoted: str = percent_encode(key, safe="/~")
    return quoted


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
