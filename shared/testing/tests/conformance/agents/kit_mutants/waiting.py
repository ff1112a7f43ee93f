"""Defects of deadlines and of the event loop."""

from __future__ import annotations

from kit_reference.core_agent import CoreAgent, WorkMeta
from kit_reference.raw_agent import RawAgent

from flyte_agent_core import Resource

from . import seen
from .mutant import caught_by


@caught_by("create_keeps_its_deadline", "create_past_its_deadline_leaves_no_job")
class CreatesAtItsLeisure(RawAgent):
    """Waits in create for as long as the vendor likes."""

    def budget_s(self, operation: str) -> float:
        return 3600.0 if operation == "create" else super().budget_s(operation)


@caught_by("get_keeps_its_deadline")
class PollsAtItsLeisure(RawAgent):
    """Waits in get for as long as the vendor likes."""

    def budget_s(self, operation: str) -> float:
        return 3600.0 if operation == "get" else super().budget_s(operation)


@caught_by("delete_keeps_its_deadline")
class DeletesAtItsLeisure(RawAgent):
    """Waits in delete for as long as the vendor likes."""

    def budget_s(self, operation: str) -> float:
        return 3600.0 if operation == "delete" else super().budget_s(operation)


@caught_by(
    "create_does_not_block_the_loop", "cancelled_create_leaves_no_job", seen_in=seen.SDK_BIGQUERY
)
class BlocksInCreate(CoreAgent):
    """Calls a client that blocks inside of `async def create`."""

    async def submit(self, job: str, request: dict[str, object]) -> None:
        if "create" in self.vendor._kept_back:
            self.vendor.ask_and_wait("create", "submit", job, request)
        await super().submit(job, request)


@caught_by("get_does_not_block_the_loop", seen_in=seen.SDK_BIGQUERY)
class BlocksInGet(CoreAgent):
    """Calls a client that blocks inside of `async def get`."""

    async def get(self, resource_meta: WorkMeta) -> Resource:
        if self.vendor._kept_back:
            self.vendor.ask_and_wait("get", "look", resource_meta.job)
        return await super().get(resource_meta)


@caught_by("delete_does_not_block_the_loop", seen_in=seen.SDK_BIGQUERY)
class BlocksInDelete(CoreAgent):
    """Calls a client that blocks inside of `async def delete`."""

    async def delete(self, resource_meta: WorkMeta) -> None:
        if "delete" in self.vendor._kept_back:
            self.vendor.ask_and_wait("delete", "stop", resource_meta.job)
        await super().delete(resource_meta)
