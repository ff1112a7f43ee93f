"""Defects of sensors."""

from __future__ import annotations

import itertools
from typing import Any

from kit_reference.sensor import Sensor, WaitMeta

from flyte_agent_core import Attempt, Phase, Resource, TaskError

from . import seen
from .mutant import caught_by

numbers = itertools.count()


@caught_by("timeout_ends_the_wait", seen_in=seen.SENSOR)
class WaitsForEver(Sensor):
    """Has no timeout."""

    async def get(self, resource_meta: WaitMeta) -> Resource:
        there = await self.ask("is_there")
        return Resource(phase=Phase.SUCCEEDED if there else Phase.RUNNING)


@caught_by("timeout_ends_the_wait")
class CountsTimeFromItsOwnStart(Sensor):
    """Counts the time from the first poll in this process."""

    async def get(self, resource_meta: WaitMeta) -> Resource:
        self.since_s = getattr(self, "since_s", self.clock.time())
        resource_meta.created_s = self.since_s
        return await super().get(resource_meta)


@caught_by(
    "fires_when_it_occurs_and_not_before",
    "abort_under_propeller",
    "failed_poll_answers_the_last_phase",
    "get_keeps_its_deadline",
    "lasting_outage_ends_the_task",
    "missing_permission_is_explained",
    "poll_errors_far_apart_do_not_add_up",
)
class FiresTooEarly(Sensor):
    """Takes "nothing is there" for "it is there" when it has looked twice."""

    async def get(self, resource_meta: WaitMeta) -> Resource:
        self.looks = getattr(self, "looks", 0) + 1
        if self.looks == 2:
            return Resource(phase=Phase.SUCCEEDED)
        return await super().get(resource_meta)


@caught_by(
    "fires_once", "delete_changes_nothing", "restart_between_any_two_calls", "life_under_propeller"
)
class UsesTheEventUp(Sensor):
    """Takes the event away when it has seen it."""

    async def get(self, resource_meta: WaitMeta) -> Resource:
        if await self.ask("consume"):
            return Resource(phase=Phase.SUCCEEDED, message="it was there")
        return await super().get(resource_meta)


@caught_by("fires_for_what_has_occurred_already", "fires_once", "life_under_propeller")
class ListensForChangesOnly(Sensor):
    """Compares with what was there when it began."""

    async def create(self, attempt: Attempt) -> WaitMeta:
        meta = await super().create(attempt)
        was_there = await self.ask("is_there")
        meta.path = f"{meta.path}{'#' * was_there}"
        return meta

    async def get(self, resource_meta: WaitMeta) -> Resource:
        if resource_meta.path.endswith("#"):
            return Resource(phase=Phase.RUNNING, message="waiting for the next one")
        return await super().get(resource_meta)


@caught_by("missing_permission_is_explained", seen_in=seen.SENSOR)
class WaitsWithoutPermission(Sensor):
    """Goes on waiting when it may not look."""

    async def get(self, resource_meta: WaitMeta) -> Resource:
        try:
            return await super().get(resource_meta)
        except TaskError:
            return Resource(phase=Phase.RUNNING, message="waiting")


@caught_by("create_starts_nothing", "delete_changes_nothing", "fires_once", "life_under_propeller")
class MarksTheBucket(Sensor):
    """Leaves a mark at the vendor in create."""

    async def create(self, attempt: Attempt) -> WaitMeta:
        self.vendor._submit(f"mark-{next(numbers)}", {})
        return await super().create(attempt)


@caught_by("delete_changes_nothing", "restart_between_any_two_calls")
class DeletesWhatItWaitedFor(Sensor):
    """Removes what it has waited for when it is deleted."""

    async def delete(self, resource_meta: WaitMeta) -> None:
        await self.vendor.ask("delete", "consume")


@caught_by(
    "poll_errors_far_apart_do_not_add_up",
    "failed_poll_answers_the_last_phase",
    "first_poll_of_a_new_process_may_fail",
    "lasting_outage_ends_the_task",
    seen_in=seen.SENSOR,
)
class FailsWhenItCannotLook(Sensor):
    """Ends the task because it could not look once."""

    async def get(self, resource_meta: WaitMeta) -> Any:
        try:
            return await super().get(resource_meta)
        except Exception as error:  # this is the defect
            return Resource(phase=Phase.FAILED, message=str(error))
