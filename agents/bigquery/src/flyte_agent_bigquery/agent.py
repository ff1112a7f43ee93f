"""
Serves ``bigquery_job`` tasks: any BigQuery job, exactly once for each attempt.

flytekit imports this module in every process, so what does the work is imported on first use.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_agent_core import AsyncAgent

from .meta import BigQueryJobMeta
from .sensor_meta import AnyMeta, SensorMeta

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from flyte_agent_core import Attempt, Resource
    from flyte_agent_core.health import Finding

    from .rounds import Listings
    from .sensor_polling import Sensors


class BigQueryAgent(AsyncAgent[BigQueryJobMeta | SensorMeta]):
    """
    Runs BigQuery jobs: queries and scripts, loads, extracts, copies and data-quality checks. Waits for tables.

    Also serves the task type of flytekit's own BigQuery plugin, and goes on with the jobs it has started.
    """

    name = "BigQuery Agent"
    task_type = "bigquery_job"
    aliases = ("bigquery_query_job_task",)
    stock_module = "flytekitplugins.bigquery"
    meta_type = AnyMeta
    max_threads = 64
    usage_figures: ClassVar[Mapping[str, str]] = {
        "bytes": "bytes_billed",
        "usd": "estimated_cost_usd",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Keys of creates that certainly started nothing; undo follows each of them.
        self._not_made: set[str] = set()

    @functools.cached_property
    def sensors(self) -> Sensors:
        """What polls sensors."""
        from .sensor_polling import Sensors

        return Sensors(self)

    @functools.cached_property
    def listings(self) -> Listings:
        """What lists of jobs have shown in the last seconds."""
        from .rounds import Listings

        return Listings()

    async def create(self, attempt: Attempt) -> BigQueryJobMeta | SensorMeta:
        """Start the attempt's job, or adopt the one that an earlier call started; a sensor starts none."""
        from . import patience, sensor_starting, starting

        try:
            if _is_sensor(attempt):
                return await sensor_starting.start(self, attempt)
            return await starting.start(self, attempt)
        except patience.NotMadeError:
            self._not_made.add(attempt.key)
            raise

    async def get(self, resource_meta: BigQueryJobMeta | SensorMeta) -> Resource:
        """Return the job's phase, what it is doing and, at the end, its outputs."""
        from . import polling

        if isinstance(resource_meta, SensorMeta):
            return await self.sensors.poll(resource_meta)
        return await polling.poll(self, resource_meta)

    async def get_many(
        self, resource_metas: Sequence[BigQueryJobMeta | SensorMeta]
    ) -> Sequence[Resource | Exception]:
        """Return what ``get`` would for each job, from the list of jobs where that is cheaper."""
        from . import rounds

        sensors = [meta for meta in resource_metas if isinstance(meta, SensorMeta)]
        if sensors:  # and nothing else: see poll_group
            return await self.sensors.poll_all(sensors)
        jobs = [meta for meta in resource_metas if isinstance(meta, BigQueryJobMeta)]
        return await rounds.poll_all(self, jobs, self.listings)

    def poll_group(self, resource_meta: BigQueryJobMeta | SensorMeta) -> Hashable:
        """Return what one call can tell of: an account's jobs in a project, or the sensors that wait for one table."""
        if isinstance(resource_meta, SensorMeta):
            return resource_meta.place
        return resource_meta.account, resource_meta.project

    async def delete(self, resource_meta: BigQueryJobMeta | SensorMeta) -> None:
        """Cancel the job and watch it stop; what it has written stays."""
        from . import polling

        if isinstance(resource_meta, BigQueryJobMeta):
            await polling.stop(self, resource_meta)

    def policy_facts(self, attempt: Attempt) -> dict[str, list[str]]:
        """Return the projects, datasets, buckets, secrets and accounts of the job, and its limit."""
        from . import facts

        return facts.of_sensor(attempt) if _is_sensor(attempt) else facts.of(attempt)

    async def undo(self, attempt: Attempt) -> None:
        """Cancel what a create that failed may have started, unless that is certainly nothing."""
        from . import starting

        if attempt.key in self._not_made:
            self._not_made.discard(attempt.key)
        elif not _is_sensor(attempt):
            await starting.undo(self, attempt)

    async def warm_up(self) -> None:
        """Import what starts and polls jobs, in a thread: it takes longer than a poll may."""
        await self.blocking(_import_all)

    async def check_health(self) -> list[Finding]:
        """Look at address, credentials, project, a dry run of ``SELECT 1`` and the clock."""
        from . import health

        return await health.check(self)

    def links(self, resource_meta: BigQueryJobMeta | SensorMeta) -> dict[str, str]:
        """Return the job's page in the console, or the one of what is waited for."""
        from .links import job_links, place_links

        if isinstance(resource_meta, SensorMeta):
            return place_links(resource_meta.place)
        return job_links(resource_meta.ref)

    async def get_metrics(self, resource_meta: BigQueryJobMeta | SensorMeta) -> dict[str, Any]:
        """Return the job's figures, stages, timeline and the statements of a script; of a table its figures."""
        from . import polling

        if isinstance(resource_meta, SensorMeta):
            return (await self.sensors.poll(resource_meta)).custom_info or {}
        return await polling.metrics(self, resource_meta)

    async def get_logs(self, resource_meta: BigQueryJobMeta | SensorMeta) -> list[str]:
        """Return what happened to the job so far, a line each; of a sensor what it sees now."""
        from . import polling

        if isinstance(resource_meta, SensorMeta):
            return [(await self.sensors.poll(resource_meta)).message or ""]
        return await polling.log_lines(self, resource_meta)


def _is_sensor(attempt: Attempt) -> bool:
    return attempt.custom.get("kind") == "sensor"


def _import_all() -> None:
    # What the methods above import.
    from . import client, polling, rounds, sensor_polling, sensor_starting, starting  # noqa: F401
