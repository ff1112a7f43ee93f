"""
Flyte's own configuration for exactly the agents that are installed.

What each line is there for, all found in the sources of flyte v1.16.8 and of Flyte 2 (v2.0.43):

* ``timeouts`` is a list: propeller's reader lower-cases the keys of maps and then misses them.
* ``supportedTaskTypes`` names every type: it fills the gap when ListAgents fails once, and Flyte 2
  routes by nothing else.
* ``default-for-task-types``: propeller refuses to start when two plugins claim a type without it.
* ``waitForReady`` and ``retryPolicy``: there are none by default, and one replica that restarts
  would use up an attempt of the user's. Creates may be repeated safely.
* ``k8s://`` is understood by Flyte 1 only.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from .errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Target = Literal["flyte-core", "flyte-binary", "flyte2"]

ENDPOINT = "dns:///flyte-agents.flyte.svc.cluster.local:8000"
"""Of a headless service, so that the calls go to all replicas; both Flytes understand it."""

_SERVICE_CONFIG = {
    "loadBalancingConfig": [{"round_robin": {}}],
    "methodConfig": [
        {
            "name": [{}],
            "waitForReady": True,
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.5s",
                "maxBackoff": "4s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ],
}

_TIMEOUTS = {"CreateTask": "60s", "GetTask": "10s", "DeleteTask": "30s", "ExecuteTaskSync": "60s"}
_BUILT_IN = {"container": "container", "sidecar": "sidecar", "container_array": "k8s-array"}
_ENABLED = [*_BUILT_IN.values(), "echo", "connector-service"]


class EndpointError(ServiceError):
    """An address that the platform could not use."""


def render(task_types: Sequence[str], target: Target, endpoint: str = ENDPOINT) -> str:
    """
    Return YAML to put into the values of the Helm chart.

    Args:
        task_types: Every type that is served.
        target: Which chart.
        endpoint: Where the service is, for propeller.

    Raises:
        EndpointError: ``endpoint`` would not work there.
    """
    _check_endpoint(endpoint, target)
    types = sorted(set(task_types))
    if target == "flyte-core":
        lines = ["configmap:", "  enabled_plugins:"]
        body = [*_tasks(types), *_plugin(types, endpoint, _TIMEOUTS)]
        return _text([*lines, *_indented(body, 4)])
    if target == "flyte2":  # has no sync calls, and takes the types from supportedTaskTypes alone
        calls = {name: limit for name, limit in _TIMEOUTS.items() if name != "ExecuteTaskSync"}
        body = _plugin(types, endpoint, calls)
    else:
        body = [*_tasks(types), *_plugin(types, endpoint, _TIMEOUTS)]
    return _text(["configuration:", "  inline:", *_indented(body, 4)])


def _tasks(types: Sequence[str]) -> list[str]:
    rows = {**_BUILT_IN, **dict.fromkeys(types, "connector-service")}
    return [
        "tasks:",
        "  task-plugins:",
        f"    enabled-plugins: {json.dumps(_ENABLED)}",
        "    # A list, or propeller's reader would lower-case the names.",
        "    default-for-task-types:",
        *(f"      - {json.dumps(name)}: {plugin}" for name, plugin in rows.items()),
    ]


def _plugin(types: Sequence[str], endpoint: str, timeouts: Mapping[str, str]) -> list[str]:
    return [
        "plugins:",
        "  connector-service:",
        "    # Every type: one that is missing here is run as a container when discovery fails once.",
        f"    supportedTaskTypes: {json.dumps(types)}",
        "    defaultConnector:",
        f"      endpoint: {json.dumps(endpoint)}",
        "      # false once the service has a certificate that the system's authorities have signed.",
        "      insecure: true",
        "      defaultTimeout: 30s",
        "      # A list: in a map the names are lower-cased and then not found.",
        "      timeouts:",
        *(f"        - {name}: {limit}" for name, limit in timeouts.items()),
        "      # Waits for a replica that restarts, and tries again: create is safe to repeat.",
        f"      defaultServiceConfig: '{json.dumps(_SERVICE_CONFIG, separators=(',', ':'))}'",
    ]


def _check_endpoint(endpoint: str, target: Target) -> None:
    parts = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}")
    if parts.scheme == "k8s" and target == "flyte2":
        raise EndpointError(
            f"endpoint: found {endpoint!r}, expected dns:///NAME.NAMESPACE.svc.cluster.local:PORT: "
            "Flyte 2 has no resolver for k8s://"
        )
    if parts.scheme not in {"", "dns", "k8s"}:
        raise EndpointError(
            f"endpoint: found {endpoint!r}, expected dns:///HOST:PORT, k8s://SERVICE.NAMESPACE:PORT "
            "or HOST:PORT: the address is gRPC's, not a URL"
        )
    if not re.search(r":\d+$", endpoint):
        raise EndpointError(
            f"endpoint: found {endpoint!r}, expected a port at its end, as in :8000"
        )


def _indented(lines: Sequence[str], by: int) -> list[str]:
    return [" " * by + line for line in lines]


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"
