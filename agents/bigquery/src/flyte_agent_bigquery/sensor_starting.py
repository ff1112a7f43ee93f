"""From an attempt to a sensor's metadata; nothing is started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import AsyncAgent, TaskError
from flyte_agent_core.meta import META_LIMIT_BYTES

from . import patience
from .account import Account
from .calls import Calls
from .config_sensor import SensorRequest
from .sensor_meta import SensorMeta

if TYPE_CHECKING:
    from flyte_agent_core import Attempt

LONGEST_WAIT_S = 7 * 86400.0
"""For how long a sensor waits if nobody said."""

_ENDS_BEFORE_S = 120.0  # a loaded propeller polls every hundred seconds
_ENDS_BEFORE = 0.1


async def start(agent: AsyncAgent[Any], attempt: Attempt) -> SensorMeta:
    """
    Return the metadata of a sensor.

    Raises:
        TaskError: The task must change.
        RetryableError: Not now.
    """
    request = attempt.config(SensorRequest)
    reference, partition = request.filled(attempt.inputs)
    account = _account(request, attempt)
    project = reference.get("projectId") or await _default_project(agent, account)
    meta = SensorMeta(
        key=attempt.key,
        created_s=agent.clock.time(),
        waits_for=request.wait_for,
        project=project,
        dataset=reference["datasetId"],
        name=reference["tableId"],
        wait_s=_wait_s(request, attempt),
        routine=request.is_routine or None,
        partition=partition or None,
        min_rows=request.min_rows,
        newer_than_s=request.newer_than_s(attempt.inputs),
        report=(request.on_timeout == "report") or None,
        outputs=attempt.output_spec.encode() or None,
        credentials=request.credentials,
        impersonate=request.impersonate,
        flyte_project=account.flyte_project or None,
        flyte_domain=account.flyte_domain or None,
    )
    return _small(meta)


def _account(request: SensorRequest, attempt: Attempt) -> Account:
    chain, owner = tuple(request.impersonate or ()), attempt.identity
    if not request.credentials:
        return Account(impersonate=chain)
    return Account(request.credentials, chain, owner.project, owner.domain)


async def _default_project(agent: AsyncAgent[Any], account: Account) -> str:
    found = await patience.ask(agent.clock, Calls(agent, account).default_project)
    if not found:
        raise TaskError(
            "table: found no project in its name, in the credentials or in GOOGLE_CLOUD_PROJECT of the agent service, "
            "expected 'project.dataset.table'. Name it.",
            code="BIGQUERY.NO_PROJECT",
        )
    return found


def _wait_s(request: SensorRequest, attempt: Attempt) -> float:
    """Return for how long to wait: what the task says, and a little less than Flyte's own timeout."""
    limits = [] if request.timeout_s is None else [float(request.timeout_s)]
    if attempt.timeout_s:
        limits.append(attempt.timeout_s - min(_ENDS_BEFORE_S, attempt.timeout_s * _ENDS_BEFORE))
    return min(limits, default=LONGEST_WAIT_S)


def _small(meta: SensorMeta) -> SensorMeta:
    size = len(meta.encode())
    if size > META_LIMIT_BYTES:
        raise TaskError(
            f"The names of table, partition, secret and service accounts take {size} bytes, expected at most "
            f"{META_LIMIT_BYTES}: Flyte keeps them with the workflow. Shorten them, or let the secret itself "
            "impersonate the accounts.",
            code="BIGQUERY.NAMES_TOO_LONG",
        )
    return meta
