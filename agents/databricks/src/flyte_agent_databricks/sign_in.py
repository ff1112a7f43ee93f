"""Signing in with the SDK's unified authentication: bounded in time, done once for all threads, kept fresh."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .api_errors import of_sign_in
from .background import Background

if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT_S = 10.0
"""How long the headers of a request serve further ones: asking the SDK takes a lock, and at times a request."""

_AGAIN_S = 30.0
"""How long a sign-in is left alone before a refused token makes a new one."""

_FIXED = frozenset({"pat", "basic"})


class SignIn:
    """
    What puts a token into requests.

    Args:
        open_config: Returns the SDK's ``Config``; it may take minutes.
        now: Monotonic seconds.
    """

    def __init__(
        self, open_config: Callable[[], Any], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._opening: Background[Any] = Background(open_config, "Databricks' sign-in")
        self._signing: Background[dict[str, str]] = Background(
            self._authenticate, "Databricks' sign-in"
        )
        self._lock = threading.Lock()
        self._config: Any = None
        self._opened_s = self._signed_s = float("-inf")
        self._headers: dict[str, str] = {}

    def config(self, timeout_s: float) -> Any:
        """
        Return the SDK's ``Config``.

        Raises:
            AgentError: No credential can be had, or not in time.
        """
        if self._config is None:
            try:
                found = self._opening.result(timeout_s)
            except Exception as error:
                raise of_sign_in(error) from error
            with self._lock:
                if self._config is None:
                    self._config, self._opened_s = found, self._now()
        return self._config

    def headers(self, timeout_s: float) -> dict[str, str]:
        """
        Return the headers that sign a request.

        Raises:
            AgentError: No token can be had, or not in time.
        """
        if self._now() - self._signed_s < _KEPT_S:
            return self._headers
        self.config(timeout_s)
        try:
            return self._signing.result(timeout_s)
        except Exception as error:
            raise of_sign_in(error) from error

    def renew(self, refused: dict[str, str]) -> bool:
        """Forget headers that the workspace refused; return whether there may be others now."""
        with self._lock:
            if self._headers != refused:
                return True  # another thread has new ones already
            self._signed_s = float("-inf")
            if self._config is None or self._config.auth_type in _FIXED:
                return False
            if self._now() - self._opened_s < _AGAIN_S:
                return False
            self._config = None
            return True

    def _authenticate(self) -> dict[str, str]:
        headers: dict[str, str] = dict(self._config.authenticate())
        with self._lock:
            self._headers, self._signed_s = headers, self._now()
        return headers
