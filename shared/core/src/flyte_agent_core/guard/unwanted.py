"""
Jobs that nobody wants and nobody else will stop: they are, in the background, as far as possible.

Flyte does not know the job of a create whose caller has gone, or that raised, and it sends no
DeleteTask after FAILED or after the last attempt (flyte v1.16.8,
flytepropeller/pkg/controller/nodes/task/handler.go).
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

from flyte_agent_core import observe, rpc
from flyte_agent_core.meta import JobMeta, digest
from flyte_agent_core.text import describe

from .delete import until_it_works
from .entry import Entry

if TYPE_CHECKING:
    from flyte_agent_core.agent import AsyncAgent
    from flyte_agent_core.attempt import Attempt

_log = logging.getLogger("flyte_agent")

_BUDGET_S = 60.0
_PAUSES_S = (1.0, 5.0, 15.0, 30.0)
"""Slower than when Flyte waits for the answer: a vendor that was away for so long is not hurried."""

MOST_GIVEN_UP = 1000
"""
Jobs of one agent being stopped at once because their polls failed for too long.

About 5 KB each; after an outage there may be any number of them.
"""


async def undo(agent: AsyncAgent[Any], attempt: Attempt, error: Exception) -> None:
    """Have the agent stop what a failed create may have left: the next attempt has another key."""
    try:
        with rpc.aside(_BUDGET_S):
            await until_it_works(agent, lambda: agent.undo(attempt))
    except Exception as undo_error:  # noqa: BLE001  # nobody is left to tell
        _log.error("%s: create failed (%s) and a job of it may be left (attempt %s): %s",
                   agent.name, describe(error), attempt.key, describe(undo_error))  # fmt: skip


async def orphaned(agent: AsyncAgent[Any], key: str, outcome: Any) -> None:
    """Delete the job of a create whose caller has gone: Flyte will never ask about it."""
    if not isinstance(outcome, JobMeta):
        return
    _log.warning(
        "%s: the caller of create has gone; deleting its job (attempt %s)", agent.name, key
    )
    try:
        with rpc.aside(_BUDGET_S), Entry("delete", agent, outcome.origin):
            deleted = await until_it_works(agent, lambda: agent.delete(outcome))
        observe.report(observe.Orphan(agent.served_type, deleted=deleted))
    except Exception as error:  # noqa: BLE001  # nobody is left to tell
        observe.report(observe.Orphan(agent.served_type, deleted=False))
        _log.error(
            "%s: the orphaned job of attempt %s may still run: %s", agent.name, key, describe(error)
        )


def give_up(agent: AsyncAgent[Any], meta: JobMeta) -> None:
    """Stop, in the background, a job whose task has just failed because it cannot be seen."""
    creates = agent.runtime.creates(agent)
    if creates.cleaning >= MOST_GIVEN_UP:
        _left(agent, meta, f"{creates.cleaning} jobs are being stopped already")
        return
    creates.clean_up(meta.key or digest(meta).hex(), functools.partial(_stop, agent, meta))


async def _stop(agent: AsyncAgent[Any], meta: JobMeta) -> None:
    """Try for as long as its polls were tried: who comes back in that time ends the job."""
    try:
        with rpc.aside(agent.poll_patience_s), Entry("delete", agent, meta.origin):
            stopped = await until_it_works(
                agent, lambda: agent.delete(meta), pauses_s=_PAUSES_S, try_s=_BUDGET_S
            )
    except Exception as error:  # noqa: BLE001  # nobody is left to tell
        _left(agent, meta, describe(error))
        return
    observe.report(observe.GivenUp(agent.served_type, stopped=stopped))
    if stopped:
        _log.warning("%s: stopped the job of attempt %s, given up before", agent.name, meta.key)


def _left(agent: AsyncAgent[Any], meta: JobMeta, why: str) -> None:
    observe.report(observe.GivenUp(agent.served_type, stopped=False))
    _log.error("%s: the job of attempt %s was given up and may still run: %s",
               agent.name, meta.key, why)  # fmt: skip
