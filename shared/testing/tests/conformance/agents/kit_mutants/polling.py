"""Defects of get."""

from __future__ import annotations

import itertools
from typing import Any

from kit_reference import words
from kit_reference.core_agent import CoreAgent, WorkMeta
from kit_reference.raw_agent import RawAgent, RawMeta, Seen

from flyte_agent_core import JobNotFound, Phase, ProtocolError, Resource, RetryableError

from . import seen
from .mutant import caught_by

numbers = itertools.count()


@caught_by(
    "poll_errors_far_apart_do_not_add_up",
    "failed_poll_answers_the_last_phase",
    "first_poll_of_a_new_process_may_fail",
    "lasting_outage_ends_the_task",
    "terminal_phase_outlives_an_outage",
    "links_from_the_first_answer",
    "messages_are_short_and_plain",
    "get_keeps_its_deadline",
    seen_in=seen.SERVICE,
)
class RaisesWhenItCannotSee(RawAgent):
    """Raises from get what the vendor call raised."""

    def unseen(self, seen: Seen, error: Exception) -> Resource:
        raise error


@caught_by(
    "poll_errors_far_apart_do_not_add_up",
    "failed_poll_answers_the_last_phase",
    "first_poll_of_a_new_process_may_fail",
    "lasting_outage_ends_the_task",
    "terminal_phase_outlives_an_outage",
    "get_keeps_its_deadline",
)
class FailsWhenItCannotSee(RawAgent):
    """Ends the task because a poll failed."""

    def unseen(self, seen: Seen, error: Exception) -> Resource:
        return Resource(phase=Phase.RETRYABLE_FAILED, message=self.bounded(str(error)))


@caught_by("poll_errors_far_apart_do_not_add_up", "lasting_outage_ends_the_task")
class CountsErrorsForEver(RawAgent):
    """Counts failed polls for the whole life of a job, and gives up at the sixth."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.errors = 0

    def unseen(self, seen: Seen, error: Exception) -> Resource:
        self.errors += 1
        if self.errors > 5:
            return Resource(phase=Phase.RETRYABLE_FAILED, message=self.bounded(str(error)))
        return super().unseen(seen, error)


@caught_by("lasting_outage_ends_the_task")
class NeverGivesUp(RawAgent):
    """Answers RUNNING for as long as the vendor cannot be reached."""

    def unseen(self, seen: Seen, error: Exception) -> Resource:
        return Resource(phase=seen.phase, message=self.bounded(str(error)))


@caught_by("lasting_outage_ends_the_task")
class GivesUpForGood(RawAgent):
    """Ends a long outage FAILED, which is never retried."""

    def unseen(self, seen: Seen, error: Exception) -> Resource:
        resource = super().unseen(seen, error)
        if resource.phase is Phase.RETRYABLE_FAILED:
            resource.phase = Phase.FAILED
        return resource


@caught_by("failed_poll_answers_the_last_phase", "terminal_phase_outlives_an_outage")
class ForgetsThePhase(RawAgent):
    """Answers INITIALIZING whenever a poll fails."""

    def unseen(self, seen: Seen, error: Exception) -> Resource:
        resource = super().unseen(seen, error)
        if resource.phase is seen.phase:
            resource.phase = Phase.INITIALIZING
        return resource


@caught_by("first_poll_of_a_new_process_may_fail")
class NeedsToHaveSeenTheJob(RawAgent):
    """Raises when the first poll in a process fails."""

    async def get(self, resource_meta: RawMeta, **kwargs: Any) -> Resource:
        is_new = resource_meta.job not in self.seen
        resource = await super().get(resource_meta)
        if is_new and "cannot see" in (resource.message or ""):
            raise RetryableError("nothing is known of this job")
        return resource


@caught_by("unknown_vendor_state_keeps_the_task_running", seen_in=seen.STATES)
class RaisesOnNewStates(RawAgent):
    """Raises on a state that is not in its table."""

    def phase(self, job: Any) -> Phase:
        if job.state not in words.PHASES.states:
            raise ValueError(f"Unrecognized state: {job.state}")
        return super().phase(job)


@caught_by("unknown_vendor_state_keeps_the_task_running")
class FailsOnNewStates(RawAgent):
    """Takes a state that is not in its table for a failure."""

    def phase(self, job: Any) -> Phase:
        return super().phase(job) if job.state in words.PHASES.states else Phase.FAILED


@caught_by("every_vendor_state_is_answered", seen_in=seen.STATES)
class HasNoPhaseForAState(RawAgent):
    """Answers UNDEFINED for one of the vendor's states."""

    def phase(self, job: Any) -> Phase:
        return Phase.UNDEFINED if job.state == "queued" else super().phase(job)


@caught_by("every_vendor_state_is_answered", seen_in=seen.STATES)
class MixesUpPhases(RawAgent):
    """Takes an eviction, which a retry would repair, for a failure of the task."""

    def phase(self, job: Any) -> Phase:
        return Phase.FAILED if job.state == "evicted" else super().phase(job)


@caught_by("get_before_the_vendor_knows_the_job")
class ExpectsTheJobAtOnce(RawAgent):
    """Raises when the vendor does not know the job yet."""

    def missing(self, meta: RawMeta, seen: Seen, error: JobNotFound) -> Resource:
        if self.clock.time() - meta.made_s < 60:
            raise error
        return super().missing(meta, seen, error)


@caught_by("get_before_the_vendor_knows_the_job")
class GivesUpAtOnce(RawAgent):
    """Fails the task when the vendor does not know the job yet."""

    def missing(self, meta: RawMeta, seen: Seen, error: JobNotFound) -> Resource:
        return Resource(phase=Phase.RETRYABLE_FAILED, message=self.bounded(str(error)))


@caught_by("vanished_job_ends")
class WaitsForAVanishedJob(RawAgent):
    """Goes on waiting for a job that the vendor has forgotten."""

    def missing(self, meta: RawMeta, seen: Seen, error: JobNotFound) -> Resource:
        return Resource(phase=Phase.INITIALIZING, message=self.bounded(str(error)))


@caught_by("get_only_looks", "life_under_propeller", "abort_under_propeller")
class RestartsInGet(RawAgent):
    """Starts the job once more from a poll, to be on the safe side."""

    async def get(self, resource_meta: RawMeta, **kwargs: Any) -> Resource:
        resource = await super().get(resource_meta)
        if resource.phase is Phase.RUNNING and resource_meta.job in self.vendor.all:
            again = self.vendor.all[resource_meta.job].request
            self.vendor._submit(f"{resource_meta.job}-{next(numbers)}", again)
        return resource


@caught_by("get_after_the_end_repeats_the_end", "delete_keeps_results", "life_under_propeller")
class GivesOutputsOnce(RawAgent):
    """Fetches the results so that they are gone afterwards."""

    async def get(self, resource_meta: RawMeta, **kwargs: Any) -> Resource:
        resource = await super().get(resource_meta)
        if resource.phase is Phase.SUCCEEDED:
            self.vendor._drop_results(resource_meta.job)
        return resource


@caught_by(
    "restart_between_any_two_calls",
    "first_poll_of_a_new_process_may_fail",
    "get_after_the_end_repeats_the_end",
    "get_only_looks",
    "metadata_of_a_newer_version_is_read",
)
class KeepsJobsInTheProcess(RawAgent):
    """Knows only the jobs that this process has started."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.mine: set[str] = set()

    async def start(self, job: str, template: Any, inputs: Any) -> RawMeta:
        self.mine.add(job)
        return await super().start(job, template, inputs)

    async def get(self, resource_meta: RawMeta, **kwargs: Any) -> Resource:
        if resource_meta.job and resource_meta.job not in self.mine:
            return Resource(phase=Phase.FAILED, message="there is no such job in this process")
        return await super().get(resource_meta)


@caught_by("failed_job_says_why")
class HidesWhyAJobFailed(RawAgent):
    """Ends a failed job without the vendor's words."""

    def answer(self, meta: RawMeta, job: Any) -> Resource:
        job.error = "job failed" if job.error else ""
        return super().answer(meta, job)


@caught_by("get_after_delete_ends", "every_vendor_state_is_answered")
class CallsAStoppedJobRunning(RawAgent):
    """Answers RUNNING for a job that was stopped."""

    def phase(self, job: Any) -> Phase:
        return Phase.RUNNING if job.state == "stopped" else super().phase(job)


@caught_by(
    "poll_errors_far_apart_do_not_add_up",
    "failed_poll_answers_the_last_phase",
    "first_poll_of_a_new_process_may_fail",
    "lasting_outage_ends_the_task",
    "terminal_phase_outlives_an_outage",
)
class CoreThatCatchesTooMuch(CoreAgent):
    """Catches errors of the vendor in get, before the core's guard can, and answers FAILED."""

    async def get(self, resource_meta: WorkMeta) -> Resource:
        try:
            return await super().get(resource_meta)
        except (RetryableError, ProtocolError) as error:
            return Resource(phase=Phase.FAILED, message=str(error))
