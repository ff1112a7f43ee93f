"""Defects of create."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from typing import Any

from kit_reference.core_agent import CoreAgent
from kit_reference.raw_agent import RawAgent, RawMeta
from kit_reference.vendor import Denied, Exists, VendorError

from flyte_agent_core import Attempt, RetryableError, TaskError

from . import seen
from .mutant import caught_by

numbers = itertools.count()


@caught_by(
    "create_twice_makes_one_job",
    "two_replicas_make_one_job",
    "parallel_creates_make_one_job",
    "create_adopts_a_finished_job",
    "life_under_propeller",
    seen_in=seen.BIGQUERY,
)
class NewIdForEveryCall(RawAgent):
    """Makes up a new job id in every create."""

    def job_id(self, output_prefix: str, metadata: Any) -> str:
        return f"job-{next(numbers)}"


@caught_by(
    "two_replicas_make_one_job", "parallel_creates_make_one_job", "create_adopts_a_finished_job"
)
class RemembersAttemptsInTheProcess(RawAgent):
    """Keeps a table of attempts and their jobs, which the next process does not have."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.jobs: dict[str, str] = {}

    def job_id(self, output_prefix: str, metadata: Any) -> str:
        return self.jobs.setdefault(output_prefix, f"job-{next(numbers)}")


@caught_by(
    "create_twice_makes_one_job",
    "two_replicas_make_one_job",
    "parallel_creates_make_one_job",
    "create_adopts_a_finished_job",
    "life_under_propeller",
)
class RefusesARepeatedCreate(RawAgent):
    """Raises when the vendor says that the job exists already."""

    async def not_accepted(self, job: str, request: dict[str, Any], error: VendorError) -> None:
        if isinstance(error, Exists):
            raise RetryableError(str(error))
        await super().not_accepted(job, request, error)


@caught_by("create_adopts_a_finished_job", "life_under_propeller")
class AdoptsRunningJobsOnly(RawAgent):
    """Makes another job when the one that exists has ended."""

    async def not_accepted(self, job: str, request: dict[str, Any], error: VendorError) -> None:
        if isinstance(error, Exists) and (await self.look(job)).state == "done":
            await self.ask("create", "submit", f"{job}-2", request)
            return
        await super().not_accepted(job, request, error)


@caught_by("other_work_of_the_same_id_is_noticed")
class AdoptsAnythingOfThatId(RawAgent):
    """Takes a job of the attempt's id for its own whatever that job does."""

    async def not_accepted(self, job: str, request: dict[str, Any], error: VendorError) -> None:
        if not isinstance(error, Exists):
            await super().not_accepted(job, request, error)


@caught_by("equal_node_ids_get_their_own_jobs", "create_needs_no_execution_metadata")
class NamesJobsByTaskExecution(RawAgent):
    """Derives the job id from the task execution id, which two sub-workflows may share."""

    def job_id(self, output_prefix: str, metadata: Any) -> str:
        run = metadata.to_flyte_idl().task_execution_id
        return hashlib.sha256(run.SerializeToString()).hexdigest()[:32]


@caught_by("next_attempt_gets_its_own_job")
class NamesJobsByNode(RawAgent):
    """Derives the job id from the node's folder, without the number of the attempt."""

    def job_id(self, output_prefix: str, metadata: Any) -> str:
        return super().job_id(output_prefix.rpartition("/")[0], metadata)


@caught_by("create_needs_no_execution_metadata")
class ReadsExecutionMetadataUnasked(RawAgent):
    """Takes the execution's labels for granted."""

    def job_id(self, output_prefix: str, metadata: Any) -> str:
        return f"{metadata.labels['project']}-{super().job_id(output_prefix, metadata)}"


@caught_by(
    "cancelled_create_leaves_no_job",
    "create_past_its_deadline_leaves_no_job",
    "failed_create_leaves_no_job",
    "lost_answer_leaves_no_second_job",
    seen_in=seen.SERVICE,
)
class ForgetsWhatItStarted(RawAgent):
    """Leaves the job alone when create is cancelled or fails."""

    async def clean_up(self, job: str, error: BaseException) -> None:
        return


@caught_by("cancelled_create_leaves_no_job", seen_in=seen.SERVICE)
class ForgetsItWhenCancelled(RawAgent):
    """Cleans up after errors, but not when the caller hangs up."""

    async def clean_up(self, job: str, error: BaseException) -> None:
        if not isinstance(error, asyncio.CancelledError):
            await super().clean_up(job, error)


@caught_by("lost_answer_leaves_no_second_job", "failed_create_leaves_no_job")
class CoreWithoutUndo(CoreAgent):
    """Does not implement undo, so a job whose answer was lost runs on."""

    async def undo(self, attempt: Any) -> None:
        return


@caught_by(
    "create_twice_makes_one_job",
    "two_replicas_make_one_job",
    "parallel_creates_make_one_job",
    "create_adopts_a_finished_job",
    "failed_create_leaves_no_job",
    "lost_answer_leaves_no_second_job",
    "life_under_propeller",
)
class CoreWithItsOwnIds(CoreAgent):
    """Makes up a job id on the core, instead of taking the attempt's, so that undo finds nothing."""

    def job_id(self, attempt: Attempt) -> str:
        return f"job-{next(numbers)}"


@caught_by("mistakes_of_the_user_do_not_use_up_retries", seen_in=seen.SERVICE)
class RaisesForMistakes(RawAgent):
    """Raises from create for what the user has to change in the task."""

    def refused(self, error: Exception) -> RawMeta:
        if isinstance(error.__cause__, Denied):
            return super().refused(error)
        raise error


@caught_by("missing_permission_does_not_use_up_retries", "delete_of_a_refused_create_succeeds")
class RetriesWithoutPermission(RawAgent):
    """Takes a permission that is missing for an outage."""

    async def not_accepted(self, job: str, request: dict[str, Any], error: VendorError) -> None:
        if isinstance(error, Denied):
            raise RetryableError(self.bounded(str(error)))
        await super().not_accepted(job, request, error)


@caught_by(
    "outage_during_create_is_nobodys_fault",
    "failed_create_leaves_no_job",
    "lost_answer_leaves_no_second_job",
)
class BlamesTheUserForOutages(RawAgent):
    """Ends the task FAILED when the vendor cannot be reached during create."""

    async def not_accepted(self, job: str, request: dict[str, Any], error: VendorError) -> None:
        if not isinstance(error, Exists):
            raise TaskError(self.bounded(str(error)))
        await super().not_accepted(job, request, error)


@caught_by("mistakes_of_the_user_do_not_use_up_retries")
class SaysSomethingWentWrong(RawAgent):
    """Hides what is wrong with a task behind a general message."""

    def refused(self, error: Exception) -> RawMeta:
        said = error if isinstance(error.__cause__, Denied) else ValueError("invalid task")
        return super().refused(said)


@caught_by(
    "missing_permission_does_not_use_up_retries",
    "delete_of_a_refused_create_succeeds",
    "no_secret_leaves_the_agent",
)
class CoreWithoutARow(CoreAgent):
    """Lets an exception of the vendor's client out of create, of which the core knows nothing."""

    async def ask(self, operation: str, method: str, *args: Any) -> Any:
        try:
            return await super().ask(operation, method, *args)
        except TaskError as error:
            if operation == "create" and isinstance(error.__cause__, Denied):
                raise error.__cause__ from None
            raise
