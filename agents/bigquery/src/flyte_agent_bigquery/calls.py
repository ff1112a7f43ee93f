"""BigQuery's jobs API as coroutines, for one account."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING, Any, TypeVar

from flyte_agent_core import secrets

from .job import Job, JobRef
from .links import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flyte_agent_core import AsyncAgent

    from .account import Account
    from .client import BigQueryClient
    from .sensor_meta import Place

T = TypeVar("T")


class Calls:
    """
    Runs each call in the agent's threads, on the client that its account shares with others.

    The errors are those of :class:`flyte_agent_bigquery.client.BigQueryClient`.
    """

    def __init__(self, agent: AsyncAgent[Any], account: Account) -> None:
        self._agent = agent
        self._account = account

    async def default_project(self) -> str:
        """Return the project of the credentials or of the environment; ``""`` when neither says."""
        return await self._run(lambda client: client.project)

    async def credentials(self) -> tuple[str, str]:
        """Return what kind of credentials these are, and their project."""
        return await self._run(lambda client: (client.credentials_kind, client.project))

    async def server_time_s(self) -> float | None:
        """Return BigQuery's time in seconds since 1970, if it says; needs no credentials."""
        return await self._run(lambda client: client.server_time_s())

    async def probe(self, project: str, configuration: Mapping[str, Any]) -> Job:
        """Try whether a query may be made in a project, without making one."""
        return Job(await self._run(lambda client: client.dry_run(project, "", configuration)))

    async def insert(self, ref: JobRef, configuration: Mapping[str, Any]) -> Job:
        """Start a job."""
        return Job(await self._run(lambda client: client.insert_job(ref, configuration)))

    async def dry_run(self, ref: JobRef, configuration: Mapping[str, Any]) -> Job:
        """Ask what a query would read."""
        return Job(
            await self._run(lambda client: client.dry_run(ref.project, ref.location, configuration))
        )

    async def get(self, ref: JobRef) -> Job:
        """Return a job."""
        return Job(await self._run(lambda client: client.get_job(ref)))

    async def cancel(self, ref: JobRef) -> Job:
        """Ask for a job to be stopped."""
        return Job(await self._run(lambda client: client.cancel_job(ref)))

    async def child_jobs(self, ref: JobRef, page_token: str = "") -> dict[str, Any]:
        """Return one page of a script's jobs, the newest first."""
        return await self._run(lambda client: client.child_jobs(ref, page_token))

    async def result_page(self, ref: JobRef, max_rows: int) -> dict[str, Any]:
        """Return schema and first rows of a finished query."""
        return await self._run(lambda client: client.result_page(ref, max_rows))

    async def recent_jobs(self, project: str, since_s: float) -> dict[str, Any]:
        """Return this account's jobs of all locations, the newest first."""
        return await self._run(lambda client: client.recent_jobs(project, since_s))

    async def jobs(
        self, project: str, since_s: float, states: Sequence[str], page_token: str = ""
    ) -> dict[str, Any]:
        """Return one page of this account's jobs in these states, whole, the newest first."""
        return await self._run(
            lambda client: client.jobs_page(project, since_s, states, page_token)
        )

    async def look(self, place: Place) -> dict[str, Any]:
        """Return a table, a partition's figures, or a routine."""
        return await self._run(lambda client: client.get_resource(place))

    async def _run(self, call: Callable[[BigQueryClient], T]) -> T:
        return await self._agent.blocking(lambda: call(self._client()))

    def _client(self) -> BigQueryClient:
        from .client import BigQueryClient  # loads the vendor's library; `import flytekit` must not

        account = self._account
        secret = None
        if account.credentials:
            secret = secrets.resolve(
                account.credentials, project=account.flyte_project, domain=account.flyte_domain
            )
        # The secret's content is part of the key, so a replaced secret is used from the next call on.
        mark = hashlib.sha256(secret.reveal().encode()).hexdigest() if secret else ""
        opener = functools.partial(
            BigQueryClient.open, secret, account.impersonate, connections=self._agent.max_threads
        )
        return self._agent.pooled((mark, account.impersonate, endpoint()), opener)
