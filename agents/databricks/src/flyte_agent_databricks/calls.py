"""Databricks' REST API as coroutines, for one account."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from .job_run import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flyte_agent_core import AsyncAgent

    from .account import Account
    from .client import DatabricksClient

T = TypeVar("T")


class Calls:
    """
    Runs each call in the agent's threads, on the client that its account shares with others.

    The errors are those of :class:`flyte_agent_databricks.client.DatabricksClient`.
    """

    def __init__(self, agent: AsyncAgent[Any], account: Account) -> None:
        self._agent = agent
        self._account = account

    async def host(self) -> str:
        """Return the workspace."""
        return await self.run(lambda client: client.host)

    async def submit(self, kind: str, body: Mapping[str, Any]) -> str:
        """Start a run of ``kind`` ``submit`` or ``run_now``, or find the one of the same token."""
        return await self.run(
            lambda client: client.submit(body) if kind == "submit" else client.run_now(body)
        )

    async def get(self, run_id: str, *, whole: bool = False, details: bool = False) -> Run:
        """Return a run; ``whole`` with all tasks, with ``details`` its repairs and resolved parameters too."""
        return Run(
            await self.run(lambda client: client.get_run(run_id, whole=whole, details=details))
        )

    async def output(self, task_run_id: str) -> dict[str, Any]:
        """Return the output of one task's run."""
        return await self.run(lambda client: client.get_output(task_run_id))

    async def active(
        self, token: str = "", from_ms: int | None = None, to_ms: int | None = None
    ) -> dict[str, Any]:
        """Return one page of the active runs, or of those made in this time."""
        return await self.run(lambda client: client.list_active(token, from_ms, to_ms))

    async def cancel(self, run_id: str) -> None:
        """Ask for a run to be stopped."""
        await self.run(lambda client: client.cancel_run(run_id))

    async def repair(self, run_id: str, latest: str, settings: Mapping[str, Any]) -> str:
        """Run the failed tasks of a run again."""
        return await self.run(lambda client: client.repair_run(run_id, latest, settings))

    async def run(self, call: Callable[[DatabricksClient], T]) -> T:
        """Return what ``call`` gives for the account's client."""
        return await self._agent.blocking(lambda: call(self._client()))

    def _client(self) -> DatabricksClient:
        from .client import DatabricksClient
        from .credentials import fingerprint, settings_of

        settings = settings_of(self._account)
        # The secret's content is part of the key, so a replaced secret is used from the next call on.
        mark = hashlib.sha256(fingerprint(settings).encode()).hexdigest()
        opener = functools.partial(DatabricksClient, settings, connections=self._agent.max_threads)
        return self._agent.pooled(("databricks", mark), opener)
