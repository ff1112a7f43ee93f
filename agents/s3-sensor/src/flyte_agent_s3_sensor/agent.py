"""
Serves ``s3_sensor`` tasks: waits for objects, and starts nothing.

flytekit imports this module in every process, so what does the work is imported on first use.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_agent_core import AsyncAgent

from .meta import S3SensorMeta

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from flyte_agent_core import Attempt, Resource
    from flyte_agent_core.health import Finding

    from .polling import Sensors


class S3SensorAgent(AsyncAgent[S3SensorMeta]):
    """Waits for objects in S3 and in stores that speak its protocol."""

    name = "S3 Sensor Agent"
    task_type = "s3_sensor"
    meta_type = S3SensorMeta
    max_threads = 64
    usage_figures: ClassVar[Mapping[str, str]] = {
        "requests": "requests",
        "usd": "estimated_cost_usd",
    }

    @functools.cached_property
    def sensors(self) -> Sensors:
        """What polls sensors."""
        from .polling import Sensors

        return Sensors(self)

    async def create(self, attempt: Attempt) -> S3SensorMeta:
        """Check the task and note what it waits for; S3 is not asked."""
        from . import starting

        return starting.start(self, attempt)

    async def get(self, resource_meta: S3SensorMeta) -> Resource:
        """Look whether what is waited for is there."""
        (answer,) = await self.sensors.poll_all([resource_meta])
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def get_many(
        self, resource_metas: Sequence[S3SensorMeta]
    ) -> Sequence[Resource | Exception]:
        """Return what ``get`` would for each sensor, with one listing for all of a folder."""
        return await self.sensors.poll_all(resource_metas)

    def poll_group(self, resource_meta: S3SensorMeta) -> Hashable:
        """Return what one look can tell of: a queue, a folder, or the same keys."""
        from .sharing import group_of

        return group_of(resource_meta)

    async def delete(self, resource_meta: S3SensorMeta) -> None:
        """Do nothing: nothing was started."""

    def policy_facts(self, attempt: Attempt) -> dict[str, list[str]]:
        """Return the bucket, what begins the keys, the address, and whose rights the sensor uses."""
        from . import facts

        return facts.of(attempt)

    async def warm_up(self) -> None:
        """Import what looks, in a thread: it takes longer than a poll may."""
        await self.blocking(_import_all)

    async def check_health(self) -> list[Finding]:
        """Look at credentials, address and clock."""
        from . import health

        return await health.check(self)

    def links(self, resource_meta: S3SensorMeta) -> dict[str, str]:
        """Return the console's page of what is waited for."""
        from .links import links_of

        return links_of(resource_meta.request)

    async def get_metrics(self, resource_meta: S3SensorMeta) -> dict[str, Any]:
        """Return what the sensor sees, and what looking has cost."""
        return (await self.get(resource_meta)).custom_info or {}

    async def get_logs(self, resource_meta: S3SensorMeta) -> list[str]:
        """Return what the sensor sees now."""
        return ((await self.get(resource_meta)).message or "").splitlines()


def _import_all() -> None:
    # What the methods above import.
    from . import client, polling, sharing, starting  # noqa: F401
