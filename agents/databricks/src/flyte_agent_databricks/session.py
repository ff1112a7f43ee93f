"""The SDK's configuration and HTTP client, made so that every request ends within the call being answered."""

from __future__ import annotations

import importlib.metadata
import os
import time
from typing import TYPE_CHECKING, Any

import requests
import requests.adapters

from flyte_agent_core import RetryableError, TaskError
from flyte_agent_core.rpc import remaining_s

from . import kubernetes_identity, managed_identity, sdk

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PRODUCT = "flyte-agent-databricks"
PARTNER = "Flyte"
"""How requests introduce themselves; Databricks asks its partners for it."""

_CALL_S, _CONNECT_S, _LEAST_S = 25.0, 4.0, 0.05
_METADATA_S = 8.0


class GiveUp(Exception):  # never seen by others
    """The SDK wants to wait and try again; the error that made it is the context of this one."""


class _NoWaiting:
    """The SDK's clock: it tells the time, but nobody waits by it, so that nothing is tried again."""

    def time(self) -> float:
        """Return seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Refuse."""
        raise GiveUp


class _Bounded(requests.adapters.HTTPAdapter):
    """Connections that are kept, as many as there are threads; each request ends in time."""

    def send(
        self,
        request: Any,
        stream: Any = False,  # noqa: FBT002  # requests' own
        timeout: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Send a request, for as long as the call that is answered has."""
        left = left_s()
        return super().send(
            request, stream, (min(_CONNECT_S, left), min(_CALL_S, left)), *args, **kwargs
        )


_OWN: Mapping[str, Callable[[str], Any]] = {
    "azure-msi": managed_identity.strategy,
    "kubernetes-oidc": kubernetes_identity.strategy,
}
"""Ways to sign in that the SDK lacks."""


def open_config(settings: Mapping[str, Any]) -> Any:
    """
    Return the SDK's ``Config``; a host that does not answer is found out before the SDK tries it for minutes.

    Raises:
        Exception: The SDK's, or the wire's; see :func:`flyte_agent_databricks.api_errors.of_sign_in`.
    """
    requests.get(
        f"{settings['host']}/.well-known/databricks-config",
        timeout=(_CONNECT_S, _METADATA_S),
        allow_redirects=False,
    ).close()
    wanted = {name: value for name, value in settings.items() if value is not None}
    own = _OWN.get(str(wanted.get("auth_type")))
    strategy = {"credentials_strategy": own(wanted.pop("service_account", ""))} if own else {}
    config = sdk.core().Config(
        **wanted,
        **strategy,
        product=PRODUCT,
        product_version=importlib.metadata.version(PRODUCT),
        clock=_NoWaiting(),
        http_timeout_seconds=_METADATA_S,
        retry_timeout_seconds=1,
    )
    return config.with_user_agent_extra("partner", PARTNER)


def open_api(config: Any, *, connections: int) -> Any:
    """Return the SDK's HTTP client."""
    api = sdk.core().ApiClient(config)
    # Its public settings bound a request as a whole and alike for all; an adapter knows how long this one may take.
    # Tests run this at the lowest and at the highest version.
    session = api._api_client._session  # noqa: SLF001
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Bounded(pool_connections=4, pool_maxsize=connections))
    # Proxies and certificate bundles come from the environment: read once, not for every request.
    found = session.merge_environment_settings(config.host, {}, None, None, None)
    session.proxies, session.verify, session.trust_env = found["proxies"], found["verify"], False
    return api


def download(url: str, headers: dict[str, str], limit_bytes: int) -> bytes:
    """
    Return what is at an address.

    Raises:
        TaskError: It is larger than ``limit_bytes``, or no address to go to.
    """
    if not url.startswith("https://") and not os.environ.get("DATABRICKS_HOST", "").startswith(
        "http://"
    ):
        raise TaskError(f"found address {url[:80]!r}, expected one that begins with https://")
    left = left_s()
    with requests.get(url, headers=headers, timeout=(_CONNECT_S, left), stream=True) as answer:
        answer.raise_for_status()
        data = answer.raw.read(limit_bytes + 1, decode_content=True)
    if len(data) > limit_bytes:
        raise TaskError(
            f"the artefacts have more than {limit_bytes >> 20} MiB, which is the most that is read"
        )
    return bytes(data)


def left_s() -> float:
    """
    Return the seconds that are left for the call being answered.

    Raises:
        RetryableError: There are none.
    """
    left = remaining_s()
    if left < _LEAST_S:
        raise RetryableError("there was no time left to ask Databricks", code="DATABRICKS.DEADLINE")
    return left
