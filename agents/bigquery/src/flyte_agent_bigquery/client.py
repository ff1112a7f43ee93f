"""
BigQuery's jobs API: one method for each call. The only module that imports the vendor's library.

Every call ends within the RPC being answered: the library's own retries run for up to ten minutes and are not used.
Resources go in and come out as REST describes them, so a field that the installed library does not know is not lost.
"""

from __future__ import annotations

import datetime as dt
import functools
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
from google.api_core.client_info import ClientInfo
from google.api_core.exceptions import Unauthorized
from google.auth.transport.requests import Request
from google.cloud import bigquery

from flyte_agent_core import ProtocolError, RetryableError, observe
from flyte_agent_core.rpc import remaining_s

from .api_errors import to_agent_error
from .credentials import kind_of, load
from .job import JobRef
from .links import endpoint
from .rate import Rate
from .rest import (
    ROUTINE_FIELDS,
    TABLE_FIELDS,
    encoded,
    place_of,
    place_path,
    project_path,
    same_job,
    same_place,
)
from .session import GOOGLE, open_session, server_time_s, user_agent
from .tokens import Tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from google.auth.credentials import Credentials

    from flyte_agent_core.secrets import Secret

    from .sensor_meta import Place

_CALL_S = 25.0
"""Longest wait for one answer, also where the RPC may take longer."""

_CONNECT_S = 4.0
_LEAST_S = 0.05
_JOBS_LISTED = 200


class BigQueryClient:
    """
    One set of credentials at one address, safe to use from any thread.

    Attributes:
        project: The project of the credentials or of the environment; ``""`` when neither says.
        credentials_kind: What sort of credentials they are, for people.
    """

    def __init__(
        self, credentials: Credentials, project: str, address: str, *, connections: int = 32
    ) -> None:
        request = Request(requests.Session())
        session = open_session(credentials, request, address, connections)
        sdk = bigquery.Client(
            project=project or "none",  # every call names its own
            credentials=credentials,
            _http=session,
            client_info=ClientInfo(user_agent=user_agent()),
            client_options={"api_endpoint": address} if address else None,
        )
        self.project = project
        self.credentials_kind = kind_of(credentials)
        self._session, self._address = session, address or GOOGLE
        self._rate = Rate()
        self._tokens = Tokens(credentials, request, _utc_now)
        # The library's public methods take no job id for any job kind but their own and no field they do not know, or
        # need several requests for rows. Its connection's api_request has been the layer below for ten years and is
        # documented as the one to use; tests run it at the lowest and at the highest version.
        self._api_request: Callable[..., Any] = sdk._connection.api_request  # noqa: SLF001

    @classmethod
    def open(
        cls, secret: Secret | None, impersonate: Sequence[str] = (), *, connections: int = 32
    ) -> BigQueryClient:
        """
        Return a client for the credentials in ``secret``, or the service's own.

        Raises:
            TaskError: The credentials cannot be used.
        """
        try:
            credentials, project = load(secret, impersonate)
            return cls(credentials, project, endpoint(), connections=connections)
        except Exception as error:
            _raise(error, of_job=False)
            raise

    def insert_job(self, ref: JobRef, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """
        Start a job; return it as the server made it, in its location.

        Raises:
            DuplicateJob: There is a job of this id.
            TaskError: The request is wrong or not allowed.
            RetryableError: Not now; unless it says that a limit was hit, the job may have been made.

        Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert
        """
        reference = {"projectId": ref.project, "jobId": ref.job_id}
        if ref.location:
            reference["location"] = ref.location
        body = {"jobReference": reference, "configuration": dict(configuration)}
        return same_job(self._insert(ref.project, body), ref)

    def dry_run(
        self, project: str, location: str, configuration: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Return what BigQuery expects of a query, without running it; it costs nothing and makes no job."""
        reference = {"projectId": project, **({"location": location} if location else {})}
        body = {"jobReference": reference, "configuration": {**configuration, "dryRun": True}}
        return self._insert(project, body)

    def server_time_s(self) -> float | None:
        """Return the server's time in seconds since 1970, if it says; nothing secret is sent."""
        left_s = _left_s()
        try:
            with observe.vendor_call("bigquery", "connect"):
                return server_time_s(
                    self._session, self._address, (min(_CONNECT_S, left_s), min(_CALL_S, left_s))
                )
        except Exception as error:
            _raise(error, of_job=False)
            raise

    def get_job(self, ref: JobRef) -> dict[str, Any]:
        """
        Return a job with its configuration and statistics.

        Raises:
            JobNotFound: There is none of this id in this location.

        Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get
        """
        path = f"{project_path(ref.project)}/jobs/{quote(ref.job_id, '')}"
        return same_job(self._call("jobs.get", path, place_of(ref)), ref)

    def cancel_job(self, ref: JobRef) -> dict[str, Any]:
        """
        Ask for a job to be stopped and return it; that it has stopped shows in :meth:`get_job`.

        Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/cancel
        """
        path = f"{project_path(ref.project)}/jobs/{quote(ref.job_id, '')}/cancel"
        job = self._call("jobs.cancel", path, place_of(ref)).get("job")
        return job if isinstance(job, dict) else {}

    def child_jobs(self, ref: JobRef, page_token: str = "") -> dict[str, Any]:
        """
        Return one page of the jobs a script has started, the newest first.

        Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/list
        """
        query = {"parentJobId": ref.job_id, "projection": "full", "maxResults": str(_JOBS_LISTED)}
        if page_token:
            query["pageToken"] = page_token
        return self._call("jobs.list", f"{project_path(ref.project)}/jobs", query)

    def recent_jobs(self, project: str, since_s: float) -> dict[str, Any]:
        """Return this account's jobs of all locations, the newest first, as far as one page goes."""
        query = {
            "minCreationTime": str(int(since_s * 1000)),
            "projection": "minimal",
            "maxResults": "1000",
        }
        return self._call("jobs.list", f"{project_path(project)}/jobs", query)

    def jobs_page(
        self, project: str, since_s: float, states: Sequence[str], page_token: str = ""
    ) -> dict[str, Any]:
        """Return one page of this account's jobs in these states, of all locations, newest first."""
        query: dict[str, Any] = {
            "minCreationTime": str(max(0, int(since_s * 1000))),
            "stateFilter": list(states),
            "projection": "full",
            "maxResults": "1000",
        }
        if page_token:
            query["pageToken"] = page_token
        return self._call("jobs.list", f"{project_path(project)}/jobs", query)

    def result_page(self, ref: JobRef, max_rows: int) -> dict[str, Any]:
        """
        Return schema and at most ``max_rows`` rows of a finished query.

        Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults
        """
        query = {
            **place_of(ref),
            "maxResults": str(max_rows),
            "timeoutMs": "0",  # the job is done; never wait inside the server
            "formatOptions.useInt64Timestamp": "true",  # a double does not hold microseconds
        }
        return self._call(
            "jobs.getQueryResults",
            f"{project_path(ref.project)}/queries/{quote(ref.job_id, '')}",
            query,
        )

    def get_resource(self, place: Place) -> dict[str, Any]:
        """
        Return a table with its figures, those of one partition, or a routine.

        Raises:
            TaskError: There is none, or it may not be seen.

        Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/get and ``…/routines/get``
        """
        name = "routines.get" if place.is_routine else "tables.get"
        fields = ROUTINE_FIELDS if place.is_routine else TABLE_FIELDS
        query = {"fields": ",".join(fields)}
        return same_place(self._call(name, place_path(place), query, of_job=False), place)

    def _insert(self, project: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send an insert once: whether a lost one made the job is for the caller to find out."""
        path, data = f"{project_path(project)}/jobs", encoded(body)
        send = functools.partial(self._send, "POST", path, None, data)
        return self._object("jobs.insert", send, again=(), of_job=False)

    def _call(
        self, name: str, path: str, query: dict[str, Any], *, of_job: bool = True
    ) -> dict[str, Any]:
        """Send what may be sent twice: a kept connection may have died since the last poll."""
        method = "POST" if name == "jobs.cancel" else "GET"
        send = functools.partial(self._send, method, path, query)
        return self._object(name, send, again=(requests.ConnectionError,), of_job=of_job)

    def _object(
        self,
        name: str,
        send: Callable[[], Any],
        *,
        again: tuple[type[Exception], ...],
        of_job: bool,
    ) -> dict[str, Any]:
        try:
            with observe.vendor_call("bigquery", name), self._rate.heard():
                answer = self._signed_in(send, again)
        except Exception as error:
            _raise(error, of_job=of_job)
            raise
        if not isinstance(answer, dict):
            raise ProtocolError(
                f"BigQuery answered {type(answer).__name__}, expected an object",
                code="BIGQUERY.GARBLED",
            )
        return answer

    def _signed_in(self, send: Callable[[], Any], again: tuple[type[Exception], ...]) -> Any:
        self._tokens.ensure(_left_s())
        token = self._tokens.current
        try:
            return send()
        except Unauthorized:
            if not self._tokens.renew(token, _left_s()):
                raise
        except again as error:
            if isinstance(error, requests.Timeout):  # there is no time for a second one
                raise
        return send()

    def _send(
        self,
        method: str,
        path: str,
        query: dict[str, Any] | None,
        body: bytes | None = None,
    ) -> Any:
        self._rate.wait(_left_s())
        left_s = _left_s()
        return self._api_request(
            method=method,
            path=path,
            query_params=query,
            data=body,
            content_type="application/json" if body else None,
            headers=observe.trace_headers(),
            timeout=(min(_CONNECT_S, left_s), min(_CALL_S, left_s)),
        )


def _raise(error: Exception, *, of_job: bool) -> None:
    """Raise our error for one of the library's; come back from one that is neither's."""
    ours = to_agent_error(error, of_job=of_job)
    if ours is not error:
        raise ours from error


def _left_s() -> float:
    left_s = remaining_s()
    if left_s < _LEAST_S:
        raise RetryableError("there was no time left to ask BigQuery", code="BIGQUERY.DEADLINE")
    return left_s


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)  # as the library keeps its own
