"""The HTTP session of a client: connections that are kept, as many as there are threads."""

from __future__ import annotations

import importlib.metadata
from email.utils import mktime_tz, parsedate_tz
from typing import TYPE_CHECKING, Any

import requests
import requests.adapters
from google.auth.transport.requests import AuthorizedSession

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.transport.requests import Request

GOOGLE = "https://bigquery.googleapis.com"
"""Where BigQuery is unless the service is told otherwise."""


def open_session(
    credentials: Credentials, request: Request, address: str, connections: int
) -> AuthorizedSession:
    """
    Return a session.

    Args:
        credentials: What signs the requests.
        request: What fetches tokens.
        address: Where BigQuery is; ``""`` for Google's.
        connections: How many to keep: the library's own session keeps ten.
    """
    shown = _Applied(credentials) if address.startswith("http://") else credentials
    session = AuthorizedSession(shown, refresh_status_codes=(), auth_request=request)
    for scheme in ("https://", "http://"):
        session.mount(
            scheme, requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=connections)
        )
    session.configure_mtls_channel()  # does nothing unless the environment asks for client certificates
    # Proxies and certificate bundles come from the environment: read once, not for every request.
    found = session.merge_environment_settings(address or GOOGLE, {}, None, None, None)
    session.proxies, session.verify, session.trust_env = found["proxies"], found["verify"], False
    return session


def server_time_s(
    session: requests.Session, address: str, timeout_s: tuple[float, float]
) -> float | None:
    """Return the time a server says it is, in seconds since 1970; ``None`` if it does not."""
    # Of the plain class: the session's own method would sign the request.
    send = requests.Session.request
    answer = send(session, "GET", f"{address}/", timeout=timeout_s, allow_redirects=False)
    said = parsedate_tz(answer.headers.get("Date", ""))
    return None if said is None else float(mktime_tz(said))


class _Applied:
    """
    Credentials that only put their token into a request.

    Google's own also look up, at Google and in the background, where a service account may be used from: nothing that
    a stand-in needs or that works offline.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def before_request(
        self, _request: Any, _method: str, _url: str, headers: dict[str, str]
    ) -> None:
        """Add the token."""
        self._credentials.apply(headers)


def user_agent() -> str:
    """Return how requests introduce themselves; ``GPN`` attributes them to Flyte's maker, as flytekit does."""
    return f"flyte-agent-bigquery/{importlib.metadata.version('flyte-agent-bigquery')} (GPN:Union;)"
