"""Defects of sync agents."""

from __future__ import annotations

import itertools
import logging
import traceback
from typing import Any

from kit_reference import words
from kit_reference.raw_sync import RawSyncAgent
from kit_reference.sync_agent import WorkOutAgent

from flyte_agent_core import AgentError, Phase, Resource, RetryableError, TaskError
from flyte_agent_core.secrets import resolve

from . import seen
from .mutant import caught_by

log = logging.getLogger("kit_mutants")
numbers = itertools.count()


@caught_by(
    "result_is_in_the_first_message",
    "caller_that_hangs_up_harms_nobody",
    "do_needs_no_execution_metadata",
    "life_under_propeller",
    "repeated_attempt",
)
class AnswersRunning(RawSyncAgent):
    """Answers before the work is done."""

    def done(self, template: Any, result: dict[str, int]) -> Resource:
        return Resource(phase=Phase.RUNNING, message="working on it")


@caught_by(
    "mistakes_of_the_user_do_not_use_up_retries",
    "answer_can_be_shown",
    "answer_comes_before_the_deadline",
    "missing_permission_is_final",
    "outage_is_nobodys_fault",
    seen_in=seen.CHATGPT,
)
class RaisesWhateverHappens(RawSyncAgent):
    """Raises instead of answering a failure."""

    def failed(self, phase: Phase, error: Exception) -> Resource:
        raise error


@caught_by("outage_is_nobodys_fault")
class TakesOutagesForGood(RawSyncAgent):
    """Answers FAILED when the vendor cannot be reached."""

    def failed(self, phase: Phase, error: Exception) -> Resource:
        is_late = isinstance(error, TimeoutError)
        return super().failed(phase if is_late else Phase.FAILED, error)


@caught_by("missing_permission_is_final")
class RetriesForAPermission(RawSyncAgent):
    """Answers RETRYABLE_FAILED when a permission is missing."""

    def failed(self, phase: Phase, error: Exception) -> Resource:
        is_refusal = "Denied" in str(error)
        return super().failed(Phase.RETRYABLE_FAILED if is_refusal else phase, error)


@caught_by("answer_comes_before_the_deadline", seen_in=seen.CHATGPT)
class HasATimeoutOfItsOwn(RawSyncAgent):
    """Waits for ten seconds, whatever the caller's deadline is."""

    def budget_s(self) -> float:
        return 10.0


@caught_by("repeated_attempt", seen_in=seen.CHATGPT)
class DoesTheWorkTwice(RawSyncAgent):
    """Has the work done anew in every call of an attempt."""

    def key(self, output_prefix: str) -> str:
        return f"key-{next(numbers)}"


@caught_by("repeated_attempt", asks_once=False)
class DoesNotSaySo(DoesTheWorkTwice):
    """Has the work done anew in every call of an attempt, which the suite knows and no user."""


@caught_by("result_is_in_the_first_message", "life_under_propeller")
class KeepsTheOutputs(RawSyncAgent):
    """Succeeds without the outputs that the task declares."""

    def done(self, template: Any, result: dict[str, int]) -> Resource:
        return Resource(phase=Phase.SUCCEEDED)


@caught_by("answer_can_be_shown", seen_in=seen.CHATGPT)
class AnswersTracebacks(RawSyncAgent):
    """Puts a traceback into the message of a failure."""

    def failed(self, phase: Phase, error: Exception) -> Resource:
        resource = super().failed(phase, error)
        resource.message += "".join(traceback.format_exception(error)[:1])
        return resource


@caught_by("caller_that_hangs_up_harms_nobody")
class LosesItsPlaces(RawSyncAgent):
    """Allows one call at a time, and loses the place when the caller hangs up."""

    def __init__(self, clock: Any) -> None:
        super().__init__(clock)
        self.places = 1

    async def ask(self, key: str, request: dict[str, Any]) -> dict[str, int]:
        if not self.places:
            raise RetryableError("too many calls at once")
        self.places -= 1
        try:
            result = await super().ask(key, request)
        except (AgentError, TaskError):
            self.places += 1
            raise
        self.places += 1
        return result


@caught_by("do_does_not_block_the_loop", "answer_comes_before_the_deadline", seen_in=seen.CHATGPT)
class BlocksInDo(WorkOutAgent):
    """Calls a client that blocks inside of `async def do`."""

    async def ask(self, key: str, request: dict[str, object]) -> dict[str, int]:
        if self.vendor._kept_back:
            self.vendor.ask_and_wait("do", "work_out", key, request)
        return await super().ask(key, request)


@caught_by("do_needs_no_execution_metadata")
class NeedsToKnowTheProject(WorkOutAgent):
    """Takes the project of the execution for granted."""

    async def do(self, attempt: Any) -> Resource:
        attempt.identity.labels["project"]
        return await super().do(attempt)


@caught_by("whole_numbers_arrive_exactly", seen_in=seen.CHATGPT)
class SendsDoublesAtOnce(RawSyncAgent):
    """Sends whole numbers as doubles."""

    def request(self, template: Any) -> dict[str, Any]:
        request = super().request(template)
        return {**request, "number": float(request["number"])}


@caught_by("no_secret_leaves_the_agent")
class LogsTheTokenAtOnce(WorkOutAgent):
    """Writes the credential into its log."""

    async def ask(self, key: str, request: dict[str, object]) -> dict[str, int]:
        log.debug("asking with %s", resolve(words.SECRET).reveal())
        return await super().ask(key, request)


@caught_by("large_values_are_answered", "answer_can_be_shown")
class TakesShortTextsOnly(RawSyncAgent):
    """Raises when the text, or what is said about it, is long."""

    def request(self, template: Any) -> dict[str, Any]:
        request = super().request(template)
        if len(request["text"]) > 10_000:
            raise OverflowError("too long")
        return request

    def failed(self, phase: Phase, error: Exception) -> Resource:
        if len(str(error)) > 10_000:
            raise OverflowError("too long")
        return super().failed(phase, error)
