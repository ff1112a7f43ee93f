"""
S3's, SQS's and STS's error codes, what Flyte should do about each, and what the reader should do.

::

    TaskError       the task or its permissions must change   -> FAILED, after some patience
    RetryableError  the same request may pass later           -> looked again at the next poll

HEAD has no body, so its errors are statuses: ``diagnosis.py`` finds out what they mean.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core import AgentError, ProtocolError, RetryableError, TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html"
"""Where the list of codes was read (2026-11)."""


class Advice(NamedTuple):
    """One row of :data:`ERRORS`."""

    error: type[AgentError]
    text: str


_GRANT = (
    "Grant the role or user of this task the permission, in its own policy and in the bucket's."
)
_KEYS = (
    "Check the secret that the task names in 'credentials', or the identity of the agent service."
)
_REQUEST = "Correct the task's configuration."
_SLOW = "Too much at the same time; the next poll looks again."
_INTERNAL = "S3 failed by itself; the next poll looks again."
_REGION = "Name the bucket's region in S3Config(region=…), or leave it out to have it found."
_CLOCK = "Have the clock of the agent service synchronised (NTP)."
_QUEUE = "Check events.queue_url, and grant sqs:ReceiveMessage, sqs:DeleteMessage and sqs:ChangeMessageVisibility."
_ROLE = "Let the role's trust policy name the identity before it, with the external id if it asks for one."

ERRORS: Mapping[str, Advice] = {
    # Documented at SOURCE.
    "AccessDenied": Advice(TaskError, _GRANT),
    "AccountProblem": Advice(TaskError, "Something is wrong with the AWS account: ask its owner."),
    "AllAccessDisabled": Advice(
        TaskError, "All access to the bucket is disabled: ask AWS support."
    ),
    "AuthorizationHeaderMalformed": Advice(TaskError, _REGION),
    "AuthorizationQueryParametersError": Advice(TaskError, _REQUEST),
    "ExpiredToken": Advice(
        TaskError,
        "The credentials have expired: replace them, or let the service have a role instead.",
    ),
    "IllegalLocationConstraintException": Advice(TaskError, _REGION),
    "IncorrectEndpoint": Advice(TaskError, _REGION),
    "InternalError": Advice(RetryableError, _INTERNAL),
    "InvalidAccessKeyId": Advice(TaskError, f"The access key does not exist. {_KEYS}"),
    "InvalidAccessPoint": Advice(TaskError, "Check the ARN of the access point."),
    "InvalidAccessPointAliasError": Advice(TaskError, "Check the alias of the access point."),
    "InvalidArgument": Advice(TaskError, _REQUEST),
    "InvalidBucketName": Advice(TaskError, "Check the name of the bucket."),
    "InvalidBucketOwnerAWSAccountID": Advice(TaskError, "Check expected_bucket_owner."),
    "InvalidEncryptionAlgorithmError": Advice(TaskError, "Check sse_c_key."),
    "InvalidObjectState": Advice(TaskError, "The object is archived: restore it first."),
    "InvalidPayer": Advice(TaskError, "The account's access is disabled: ask its owner."),
    "InvalidRequest": Advice(TaskError, _REQUEST),
    "InvalidSecurity": Advice(TaskError, _KEYS),
    "InvalidToken": Advice(TaskError, _KEYS),
    "InvalidURI": Advice(TaskError, "The key cannot be written into an address: check it."),
    "KeyTooLongError": Advice(TaskError, "Shorten the key: S3 takes 1,024 bytes."),
    "MethodNotAllowed": Advice(
        TaskError, "The store does not allow this: is the version a deletion?"
    ),
    "NoSuchAccessPoint": Advice(TaskError, "Check the ARN of the access point."),
    "NoSuchBucket": Advice(
        TaskError, "Check the bucket's name, and endpoint_url if it is not at AWS."
    ),
    "NoSuchKey": Advice(TaskError, "Check the key."),
    "NoSuchVersion": Advice(TaskError, "Check the version id."),
    "NotImplemented": Advice(TaskError, "This store does not offer what the sensor needs."),
    "NotSignedUp": Advice(TaskError, "The account has no S3: sign it up."),
    "OperationAborted": Advice(RetryableError, _INTERNAL),
    "PermanentRedirect": Advice(TaskError, _REGION),
    "PreconditionFailed": Advice(RetryableError, "The object changed while it was looked at."),
    "Redirect": Advice(RetryableError, "A new bucket's address is not known everywhere yet."),
    "RequestTimeTooSkewed": Advice(TaskError, _CLOCK),
    "RequestTimeout": Advice(RetryableError, _INTERNAL),
    "ServiceUnavailable": Advice(RetryableError, _INTERNAL),
    "SignatureDoesNotMatch": Advice(
        TaskError, f"The secret key is not that of the access key. {_KEYS}"
    ),
    "SlowDown": Advice(RetryableError, _SLOW),
    "TemporaryRedirect": Advice(
        RetryableError, "A new bucket's address is not known everywhere yet."
    ),
    "TokenRefreshRequired": Advice(TaskError, _KEYS),
    "UnauthorizedAccess": Advice(TaskError, "The account may not use this region."),
    "UnexpectedContent": Advice(TaskError, _REQUEST),
    # Said by KMS through S3, by STS and by SQS:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
    "AWS.SimpleQueueService.NonExistentQueue": Advice(TaskError, _QUEUE),
    "AccessDeniedException": Advice(TaskError, _GRANT),
    "ExpiredTokenException": Advice(
        TaskError, "The web identity token has expired: replace it, or have it refreshed."
    ),
    "IDPRejectedClaim": Advice(TaskError, _ROLE),
    "InvalidAddress": Advice(TaskError, _QUEUE),
    "InvalidClientTokenId": Advice(TaskError, f"The access key does not exist. {_KEYS}"),
    "InvalidIdentityToken": Advice(TaskError, "Check the secret named in 'web_identity'."),
    "InvalidSecurityException": Advice(TaskError, _KEYS),
    "KMS.DisabledException": Advice(TaskError, "The object's key is disabled: ask its owner."),
    "OverLimit": Advice(RetryableError, _SLOW),
    "QueueDoesNotExist": Advice(TaskError, _QUEUE),
    "RegionDisabledException": Advice(TaskError, "Activate STS in this region."),
    "RequestExpired": Advice(TaskError, _CLOCK),
    "RequestThrottled": Advice(RetryableError, _SLOW),
    "RequestLimitExceeded": Advice(RetryableError, _SLOW),
    "Throttling": Advice(RetryableError, _SLOW),
    "ThrottlingException": Advice(RetryableError, _SLOW),
    # Said by other stores: Ceph, MinIO, R2, Google.
    "InvalidDigest": Advice(TaskError, _REQUEST),
    "InvalidRegion": Advice(TaskError, _REGION),
    "QuotaExceeded": Advice(RetryableError, _SLOW),
    "TooManyRequests": Advice(RetryableError, _SLOW),
    "Unauthorized": Advice(TaskError, _KEYS),
    "UserSuspended": Advice(TaskError, "The store's user is suspended: ask its owner."),
    "XMinioInvalidObjectName": Advice(
        TaskError, "MinIO takes no key with an empty part, '.' or '..' between slashes: correct it."
    ),
    "XMinioServerNotInitialized": Advice(RetryableError, _INTERNAL),
}

# For answers without a code, as those to HEAD; the code is then the status.
_STATUSES: Mapping[int, Advice] = {
    301: Advice(TaskError, _REGION),
    307: Advice(RetryableError, "A new bucket's address is not known everywhere yet."),
    400: Advice(TaskError, "S3 does not say more. Is the object encrypted with a key (sse_c_key)?"),
    401: Advice(TaskError, _KEYS),
    403: Advice(TaskError, _GRANT),
    405: ERRORS["MethodNotAllowed"],
    412: ERRORS["PreconditionFailed"],
    429: Advice(RetryableError, _SLOW),
}

_UNKNOWN = Advice(TaskError, f"See {SOURCE} for this code.")
_OUTAGE = Advice(RetryableError, _INTERNAL)

# Of botocore, by the name of the class; a base's row holds for those without one.
# https://github.com/boto/botocore/blob/develop/botocore/exceptions.py
_LIBRARY: Mapping[str, Advice] = {
    "NoCredentialsError": Advice(
        TaskError,
        "The agent service has no AWS identity: give its pod a role, or name a secret in 'credentials', or "
        "set anonymous=True for a public bucket.",
    ),
    "PartialCredentialsError": Advice(TaskError, _KEYS),
    "CredentialRetrievalError": Advice(
        RetryableError, "The identity of the service gave no credentials."
    ),
    "NoAuthTokenError": Advice(TaskError, _KEYS),
    "SSOError": Advice(TaskError, "Sign in again: aws sso login."),
    "TokenRetrievalError": Advice(TaskError, "Sign in again: aws sso login."),
    "InvalidConfigError": Advice(TaskError, "Correct AWS's configuration file of the service."),
    "ConfigParseError": Advice(TaskError, "Correct AWS's configuration file of the service."),
    "ProfileNotFound": Advice(TaskError, "Correct AWS_PROFILE of the service."),
    "ParamValidationError": Advice(TaskError, _REQUEST),
    "UnsupportedS3ArnError": Advice(TaskError, "Check the ARN of the access point."),
    "EndpointConnectionError": Advice(
        RetryableError, "See that the store can be reached from the service."
    ),
    "ConnectTimeoutError": Advice(
        RetryableError, "See that the store can be reached from the service."
    ),
    "ProxyConnectionError": Advice(
        RetryableError,
        "See that the service can reach the proxy that HTTP_PROXY or HTTPS_PROXY names.",
    ),
    "ResponseParserError": Advice(ProtocolError, "Is a proxy between the service and the store?"),
    "HTTPClientError": Advice(
        RetryableError, "See that the store can be reached from the service."
    ),
    "SSLError": Advice(
        RetryableError,
        "If a proxy shows a certificate of its own: give its authority in AWS_CA_BUNDLE.",
    ),
    "ClientError": _UNKNOWN,
    "BotoCoreError": _UNKNOWN,
}


def to_agent_error(error: Any) -> AgentError:
    """Return the error of the core for one of botocore's."""
    if isinstance(error, AgentError):
        return error
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        found = _of_response(response)
        if str(getattr(error, "operation_name", "")).startswith("AssumeRole"):
            return _of_role(found)
        return found
    for kind in type(error).__mro__:
        if kind.__name__ in _LIBRARY:
            advice = _LIBRARY[kind.__name__]
            return advice.error(_said(str(error), advice), code=code_of(type(error).__name__))
    if isinstance(error, (OSError, EOFError)) or type(error).__module__.startswith("urllib3"):
        return RetryableError(f"S3: {error or type(error).__name__}", code="S3.CONNECTION")
    return ProtocolError(f"S3: {type(error).__name__}: {error}", code="S3.PROTOCOL")


def _of_response(response: Mapping[str, Any]) -> AgentError:
    found, about = response.get("Error", {}), response.get("ResponseMetadata", {})
    headers = about.get("HTTPHeaders", {})
    # MinIO says in headers what HEAD has no body for: cmd/api-response.go, writeErrorResponseHeadersOnly.
    code = str(headers.get("x-minio-error-code") or found.get("Code") or "")
    message = str(headers.get("x-minio-error-desc") or found.get("Message") or "").strip('"')
    status = int(about.get("HTTPStatusCode") or 0)
    advice = ERRORS.get(code) or _of_status(status)
    retry_after = headers.get("retry-after", "")
    named = code or str(status)
    return advice.error(
        _said(f"{named}: {message}" if message else named, advice),
        code=code_of(f"HTTP_{named}" if named.isdigit() else named),
        retry_after_s=float(retry_after) if retry_after.isdigit() else None,
    )


def _of_role(error: AgentError) -> AgentError:
    """Tell a refused role from a refused object; what may pass may pass here, too."""
    said = str(error).partition("\n")[0]
    return type(error)(f"the role was not given: {said}\n{_ROLE}", code=f"S3.ROLE_{error.code[3:]}")


def _of_status(status: int) -> Advice:
    return _STATUSES.get(status) or (_OUTAGE if status >= 500 or not status else _UNKNOWN)


def _said(what: str, advice: Advice) -> str:
    return f"S3 {what.strip().rstrip('.')}.\n{advice.text}"


def code_of(name: str) -> str:
    """Return the stable code of a name: ``NoSuchBucket`` is ``S3.NO_SUCH_BUCKET``."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
    return "S3." + (re.sub(r"[^A-Z0-9_]+", "_", words)[:60].strip("_") or "ERROR")
