"""
Serves ``databricks_job`` tasks: any run of Databricks' jobs or statement of a warehouse, exactly once for each attempt.

flytekit imports this module in every process, so what does the work is imported on first use.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_agent_core import AsyncAgent

from .meta import DatabricksJobMeta

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from flyte_agent_core import Attempt, Resource
    from flyte_agent_core.health import Finding

    from .rounds import Listings


class DatabricksAgent(AsyncAgent[DatabricksJobMeta]):
    """
    Runs Databricks jobs: notebooks, Python, jars, SQL, dbt, pipelines and others, alone or as a graph of tasks.

    Also serves the task type of flytekit's own plugin for Databricks, and goes on with the runs it has started.
    """

    name = "Databricks Agent"
    task_type = "databricks_job"
    aliases = ("databricks",)
    stock_module = "flytekitplugins.spark"
    meta_type = DatabricksJobMeta
    max_threads = 64
    usage_figures: ClassVar[Mapping[str, str]] = {"seconds": "execution_s"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Keys of creates that certainly started nothing; undo follows each of them.
        self._not_made: set[str] = set()

    @functools.cached_property
    def listings(self) -> Listings:
        """What lists of runs have shown in the last seconds."""
        from .rounds import Listings

        return Listings()

    async def create(self, attempt: Attempt) -> DatabricksJobMeta:
        """Start the attempt's run, repair the one of an earlier attempt, or adopt what an earlier call started."""
        from . import patience, starting

        try:
            return await starting.start(self, attempt)
        except patience.NotMadeError:
            self._not_made.add(attempt.key)
            raise

    async def get(self, resource_meta: DatabricksJobMeta) -> Resource:
        """Return the run's phase, what it is doing and, at the end, its outputs or why it failed."""
        from . import polling

        return await polling.poll(self, resource_meta)

    async def get_many(
        self, resource_metas: Sequence[DatabricksJobMeta]
    ) -> Sequence[Resource | Exception]:
        """Return what ``get`` would for each run, from the list of active runs where that is cheaper."""
        from . import rounds

        return await rounds.poll_all(self, resource_metas, self.listings)

    def poll_group(self, resource_meta: DatabricksJobMeta) -> Hashable:
        """Return what one call can tell of: an account's runs in a workspace."""
        return resource_meta.account

    async def delete(self, resource_meta: DatabricksJobMeta) -> None:
        """Cancel the run and watch it stop; what it has written stays."""
        from . import polling

        await polling.stop(self, resource_meta)

    def policy_facts(self, attempt: Attempt) -> dict[str, list[str]]:
        """Return the workspace, compute, warehouse, job, notebooks and secret of the run, and when it ends."""
        from . import facts

        return facts.of(attempt)

    async def undo(self, attempt: Attempt) -> None:
        """Cancel what a create that failed may have started, unless that is certainly nothing."""
        from . import starting

        if attempt.key in self._not_made:
            self._not_made.discard(attempt.key)
        else:
            await starting.undo(self, attempt)

    async def warm_up(self) -> None:
        """Import what starts and polls runs, in a thread: it takes longer than a poll may."""
        await self.blocking(_import_all)

    async def check_health(self) -> list[Finding]:
        """Look at workspace, credentials, identity and warehouse."""
        from . import health

        return await health.check(self)

    def links(self, resource_meta: DatabricksJobMeta) -> dict[str, str]:
        """Return the run's page, or the statement's."""
        from .links import run_links, statement_links

        if resource_meta.kind == "statement":
            return statement_links(resource_meta.host, resource_meta.run_id)
        return run_links(resource_meta.host, resource_meta.run_id, resource_meta.page)

    async def get_metrics(self, resource_meta: DatabricksJobMeta) -> dict[str, Any]:
        """Return the run's seconds in queue, set-up, execution and clean-up, and those of its tasks."""
        from . import insight, polling
        from .calls import Calls

        if resource_meta.kind == "statement":
            return (await polling.poll(self, resource_meta)).custom_info or {}
        return await insight.metrics(Calls(self, resource_meta.account), resource_meta.run_id)

    async def get_logs(self, resource_meta: DatabricksJobMeta) -> list[str]:
        """Return what happened to the run so far, and what its tasks have printed, a line each."""
        from . import insight, polling
        from .calls import Calls

        if resource_meta.kind == "statement":
            return [(await polling.poll(self, resource_meta)).message or ""]
        return await insight.log_lines(Calls(self, resource_meta.account), resource_meta.run_id)


def _import_all() -> None:
    # What the methods above import.
    from . import client, polling, rounds, sdk, starting, statement_polling, statement_starting  # noqa: F401

    sdk.core()
