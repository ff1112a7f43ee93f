"""What protects a service: certificates, tokens and the policy, and how they are read again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from . import policy
from .caller import Callers, TokenInterceptor
from .errors import ConfigFileError
from .tls import Certificates

if TYPE_CHECKING:
    from collections.abc import Callable

    from .settings import Settings

_log = logging.getLogger("flyte_agent.server")


class Security:
    """
    The protections of one service.

    Attributes:
        certificates: ``None`` for plain text.
        callers: ``None`` when no token is asked for.
        policy: What tasks may do.
    """

    def __init__(self, settings: Settings) -> None:
        """
        Read what the settings name.

        Raises:
            ConfigFileError: Something of it cannot be used.
        """
        self._path = settings.config
        self.certificates = Certificates.of(settings)
        self.callers = Callers(settings.tokens) if settings.tokens else None
        self.policy = policy.read(settings.config)
        if self.callers and not self.certificates:
            _log.warning("tokens of callers travel in plain text: set tls_cert and tls_key")

    def interceptors(self) -> list[Any]:
        """Return what gRPC asks before every RPC."""
        return [TokenInterceptor(self.callers)] if self.callers else []

    def bind(self, server: Any, address: str) -> int:
        """
        Bind ``server`` to an address, encrypted or not, and return the port.

        Raises:
            RuntimeError: The address cannot be bound.
        """
        if self.certificates is None:
            port: int = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, self.certificates.credentials())
        return port

    def reload(self) -> None:
        """Read everything again; of what cannot be used the old stays, and the log says so."""
        if self.certificates is not None:
            _reload("TLS certificates", self.certificates.reload)
        if self.callers is not None:
            _reload("tokens of callers", self.callers.reload)
        if self._path:
            _reload(f"policy of {self._path}", self._reload_policy)
        _log.info("every other setting stays as it was at the start")

    def _reload_policy(self) -> None:
        self.policy = policy.read(self._path)


def _reload(what: str, read: Callable[[], None]) -> None:
    try:
        read()
    except ConfigFileError as error:
        _log.error("reload: the %s cannot be used, the old stays: %s", what, error)
    else:
        _log.info("reload: %s read again", what)
