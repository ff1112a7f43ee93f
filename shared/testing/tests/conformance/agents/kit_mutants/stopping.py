"""Defects of delete."""

from __future__ import annotations

from typing import Any

from kit_reference.core_agent import CoreAgent, WorkMeta
from kit_reference.raw_agent import RawAgent, RawMeta

from flyte_agent_core import AgentError, JobNotFound, RetryableError, TaskError

from .mutant import caught_by


@caught_by(
    "delete_stops_the_job",
    "abort_under_propeller",
    "delete_does_not_claim_what_it_has_not_done",
    "delete_survives_an_outage",
    "get_after_delete_ends",
)
class DoesNotStopAnything(RawAgent):
    """Answers delete with success and does nothing."""

    async def stop(self, meta: RawMeta) -> None:
        return


@caught_by(
    "delete_stops_the_job",
    "delete_does_not_claim_what_it_has_not_done",
    "delete_survives_an_outage",
)
class DoesNotWaitForTheEnd(CoreAgent):
    """Asks the vendor to stop the job in the background, and answers at once."""

    async def delete(self, resource_meta: WorkMeta) -> None:
        self.runtime.creates(self).spawn(self._later(resource_meta))

    async def _later(self, meta: WorkMeta) -> None:
        for _ in range(10):
            await self.clock.sleep(1.0)
        await self.ask("delete", "stop", meta.job)


@caught_by("delete_of_an_unknown_job_succeeds")
class RaisesForUnknownJobs(RawAgent):
    """Raises when it is to delete a job that the vendor does not know."""

    async def stop(self, meta: RawMeta) -> None:
        try:
            await super().stop(meta)
        except JobNotFound as error:
            raise RetryableError(str(error)) from error


@caught_by(
    "delete_may_be_repeated",
    "delete_after_a_failure_succeeds",
    "delete_keeps_results",
    "metadata_of_a_newer_version_is_read",
    "metadata_of_an_older_version_is_read",
    "restart_between_any_two_calls",
)
class RaisesForFinishedJobs(RawAgent):
    """Raises when it is to delete a job that has ended."""

    async def stop(self, meta: RawMeta) -> None:
        if (await self.look(meta.job)).state != "working":
            raise RetryableError("the job has ended already")
        await super().stop(meta)


@caught_by("delete_keeps_results")
class DeletesResults(RawAgent):
    """Removes the job's results when the job is deleted."""

    async def stop(self, meta: RawMeta) -> None:
        await super().stop(meta)
        self.vendor._drop_results(meta.job)


@caught_by("delete_does_not_claim_what_it_has_not_done", "delete_survives_an_outage")
class SwallowsErrorsOfDelete(RawAgent):
    """Answers delete with success though the vendor could not be reached."""

    async def stop(self, meta: RawMeta) -> None:
        try:
            await super().stop(meta)
        except AgentError:
            return


@caught_by("delete_that_is_refused_is_not_repeated_for_ever")
class InsistsOnDeleting(RawAgent):
    """Raises when the vendor refuses to stop the job, however often it is asked."""

    async def stop(self, meta: RawMeta) -> None:
        try:
            await super().stop(meta)
        except TaskError as error:
            raise RetryableError(str(error)) from error


@caught_by(
    "delete_of_a_refused_create_succeeds",
    "foreign_metadata_is_answered",
    "metadata_of_an_older_version_is_read",
)
class DeletesWhatWasNeverMade(RawAgent):
    """Asks the vendor to stop the job of a create that was refused."""

    async def delete(self, resource_meta: RawMeta, **kwargs: Any) -> None:
        if resource_meta.refusal and not resource_meta.job:
            raise ValueError("job: found '', expected an id")
        await super().delete(resource_meta)
