"""Access tokens: fetched once for all threads, before they are needed."""

from __future__ import annotations

import functools
import logging
import threading
from typing import TYPE_CHECKING, Any

from google.auth.credentials import AnonymousCredentials

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from google.auth.credentials import Credentials


_log = logging.getLogger("flyte_agent")


class Tokens:
    """
    Keeps one access token fresh for all threads.

    The library would let every thread that finds the token expired fetch one; here one does, a little early, and the
    others go on with the old token as long as it lasts.
    """

    EARLY_S = 300.0
    """Seconds before the end at which a token is replaced; the library itself starts at 225."""

    EARLY_WAIT_S = 2.0
    """Longest wait for a new token while the old one still serves."""

    def __init__(
        self, credentials: Credentials, request: Callable[..., Any], now: Callable[[], dt.datetime]
    ) -> None:
        self._credentials, self._request, self._now = credentials, request, now
        self._lock = threading.Lock()

    def ensure(self, timeout_s: float) -> None:
        """Have a token that lasts; wait for one only if there is none."""
        if not self._is_due():
            return
        usable = bool(self._credentials.valid)
        if not self._lock.acquire(blocking=not usable, timeout=-1 if usable else timeout_s):
            return  # somebody else is at it
        try:
            if self._is_due():
                self._refresh(min(timeout_s, self.EARLY_WAIT_S) if usable else timeout_s)
        except Exception as error:
            if not usable:
                raise
            _log.warning(
                "no new access token yet, the old one still serves: %s", type(error).__name__
            )
        finally:
            self._lock.release()

    def renew(self, refused: str | None, timeout_s: float) -> bool:
        """Replace a token the server refused; return whether there is another one now."""
        if isinstance(self._credentials, AnonymousCredentials):
            return False
        with self._lock:
            if self._credentials.token == refused:
                self._refresh(timeout_s)
            return bool(self._credentials.token != refused)

    @property
    def current(self) -> str | None:
        """The token in use."""
        token: str | None = self._credentials.token
        return token

    def _is_due(self) -> bool:
        if isinstance(self._credentials, AnonymousCredentials):
            return False
        if not self._credentials.valid:
            return True
        expiry = self._credentials.expiry
        return expiry is not None and (expiry - self._now()).total_seconds() < self.EARLY_S

    def _refresh(self, timeout_s: float) -> None:
        # A token fetch is up to three requests (external account, then impersonation); each may use what is left.
        self._credentials.refresh(functools.partial(self._request, timeout=timeout_s))
