"""
Serves ``bigquery_job`` tasks: any BigQuery job, exactly once for each attempt.

flytekit imports this module in every process, so what does the work is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import AsyncAgent

from .meta import BigQueryJobMeta

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from flyte_agent_core import Attempt, Resource


class BigQueryAgent(AsyncAgent[BigQueryJobMeta]):
    """
    Runs BigQuery jobs: queries and scripts, loads, extracts, copies and data-quality checks.

    Also serves the task type of flytekit's own BigQuery plugin, and goes on with the jobs it has started.
    """

    name = "BigQuery Agent"
    task_type = "bigquery_job"
    aliases = ("bigquery_query_job_task",)
    stock_module = "flytekitplugins.bigquery"
    meta_type = BigQueryJobMeta
    max_threads = 64

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Keys of creates that certainly started nothing; undo follows each of them.
        self._not_made: set[str] = set()

    async def create(self, attempt: Attempt) -> BigQueryJobMeta:
        """Start the attempt's job, or adopt the one that an earlier call started."""
        from . import patience, starting

        try:
            return await starting.start(self, attempt)
        except patience.NotMadeError:
            self._not_made.add(attempt.key)
            raise

    async def get(self, resource_meta: BigQueryJobMeta) -> Resource:
        """Return the job's phase, what it is doing and, at the end, its outputs."""
        from . import polling

        return await polling.poll(self, resource_meta)

    async def get_many(
        self, resource_metas: Sequence[BigQueryJobMeta]
    ) -> Sequence[Resource | Exception]:
        """Return what ``get`` would for each job, from the list of jobs where that is cheaper."""
        from . import rounds

        return await rounds.poll_all(self, resource_metas)

    def poll_group(self, resource_meta: BigQueryJobMeta) -> Hashable:
        """Return what one list can tell of: the jobs of an account in a project."""
        return resource_meta.account, resource_meta.project

    async def delete(self, resource_meta: BigQueryJobMeta) -> None:
        """Cancel the job and watch it stop; what it has written stays."""
        from . import polling

        await polling.stop(self, resource_meta)

    async def undo(self, attempt: Attempt) -> None:
        """Cancel what a create that failed may have started, unless that is certainly nothing."""
        from . import starting

        if attempt.key in self._not_made:
            self._not_made.discard(attempt.key)
            return
        await starting.undo(self, attempt)

    def links(self, resource_meta: BigQueryJobMeta) -> dict[str, str]:
        """Return the job's page in the console."""
        from .links import job_links

        return job_links(resource_meta.ref)

    async def get_metrics(self, resource_meta: BigQueryJobMeta) -> dict[str, Any]:
        """Return the job's figures, stages, timeline and the statements of a script."""
        from . import polling

        return await polling.metrics(self, resource_meta)

    async def get_logs(self, resource_meta: BigQueryJobMeta) -> list[str]:
        """Return what happened to the job so far, a line each."""
        from . import polling

        return await polling.log_lines(self, resource_meta)
