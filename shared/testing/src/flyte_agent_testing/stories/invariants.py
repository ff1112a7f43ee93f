"""
What must hold when a story is over, whatever went wrong in it.

Some losses are Flyte's own: it forgets a job whose metadata it never stored, and gives up a DeleteTask that keeps
failing. An agent cannot help those, so they are excused; each excuse stands beside its check.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from . import works
from .plan import SLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flyte_agent_testing.propeller import AttemptRecord, Outcome

    from .stage import Played

INVARIANTS: Mapping[str, str] = {
    "one-job": "exactly one vendor job per attempt: each further one costs money, and its results are nobody's",
    "truth": "the phase Flyte ends with is what happened: users act on it",
    "no-hang": "every task ends: one that does not needs an administrator",
    "no-leak": "no vendor job is left running without a Flyte task: it costs money until somebody notices",
    "stops": "a cancelled job stops: DeleteTask was answered, so Flyte will not send it again",
    "results-stay": "results outlive the job's deletion: Flyte deletes finished jobs too",
    "protocol": "the protocol's own rules hold",
}

# Rules of the protocol that a fault explains, and by which.
_EXPLAINED = {
    "create-error": {"create", "get", "killed"},
    "delete-error": {"delete", "get", "killed"},
    "deadline": {SLOW, "killed"},
    "poll-error": {"killed"},
    "sync-error": {"killed"},
}


@dataclasses.dataclass(frozen=True)
class Breach:
    """
    An invariant that does not hold.

    Attributes:
        invariant: A key of :data:`INVARIANTS`.
        text: What was found instead, where.
    """

    invariant: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.text}\n  ({INVARIANTS[self.invariant]})"


def breaches(played: Played) -> list[Breach]:
    """Return the invariants that a story breaks."""
    found = [Breach("one-job", f"job {fact.id} belongs to no attempt: its id is not made from `attempt.key` or "
                    "`attempt.job_id()`") for fact in played.truth.facts.values()
             if played.truth.asks_once and not fact.task]  # fmt: skip
    if played.truth.is_sync:
        found += [Breach(*pair) for pair in works.whole(played)]
    for outcome in played.outcomes:
        for check in (_ends, _rules):
            found += [Breach(*pair) for pair in check(played, outcome)]
        for record in outcome.attempts:
            kind = works.WorkCase if played.truth.is_sync else _Case
            case = kind(played, outcome, record)
            found += [Breach(name, case.said(text)) for name, text in case.breaches()]
    return found


def _ends(_: Played, outcome: Outcome) -> Iterator[tuple[str, str]]:
    if outcome.hung:
        yield (
            "no-hang",
            f"{outcome.task} never ended; the last phase its user saw is {outcome.phase}",
        )


def _rules(played: Played, outcome: Outcome) -> Iterator[tuple[str, str]]:
    causes = {mishap.kind for mishap in played.story.mishaps}
    causes |= {name for t in played.story.troubles for name in (t.operation, t.fault)}
    for violation in outcome.violations:
        if violation.rule == "meta-size" and played.truth.is_sync:
            continue  # it holds a result, and is the service's business
        if violation.rule != "hung" and not _EXPLAINED.get(violation.rule, set()) & causes:
            yield "protocol", str(violation)


class _Case:
    """One attempt, and the jobs that were made for it."""

    def __init__(self, played: Played, outcome: Outcome, record: AttemptRecord) -> None:
        self._task = outcome.task.partition("/")[0]
        self._record, self._outcome = record, outcome
        self._facts = played.truth.of(self._task, record.number)
        self._plan = played.story.tasks[int(self._task.removeprefix("t"))]
        self._end = self._plan.end(record.number)
        self._kinds = {mishap.kind for mishap in played.story.mishaps}
        self._deletes_fail = any(t.operation == "delete" for t in played.story.troubles)
        self._polls_lost = sum(
            kind == "lost_poll" and task == self._task for kind, task, _ in played.landed
        )
        self._answers = played.truth.answers(self._task, record.number)
        self._was_cut_off = record.creates > self._answers or bool(
            played.story.troubles or "killed" in self._kinds
        )

    def said(self, text: str) -> str:
        """Return a text that says where."""
        jobs = ", ".join(f"{fact.id} {fact.state}" for fact in self._facts) or "none"
        ended = f"{self._record.phase or 'no end'} by {self._record.cause or 'nobody'}"
        return f"{self._task}, attempt {self._record.number} ({ended}; jobs: {jobs}): {text}"

    def breaches(self) -> Iterator[tuple[str, str]]:
        """Yield what does not hold."""
        yield from self._one_job()
        yield from self._true_end()
        yield from self._nothing_runs()
        yield from self._results_stay()

    def _one_job(self) -> Iterator[tuple[str, str]]:
        working = [fact for fact in self._facts if fact.state != "cancelled"]
        if len(working) > 1:
            yield "one-job", f"{len(working)} jobs did its work"
        elif len(self._facts) > 1 and not self._was_cut_off:
            yield "one-job", f"{len(self._facts)} jobs, though no create was cut off"
        if self._record.resource_meta is not None and not self._facts and self._end != "refused":
            yield "one-job", "CreateTask was answered, and there is no job"

    def _true_end(self) -> Iterator[tuple[str, str]]:
        said = _SAID.get((self._record.cause, self._record.phase))
        if said is not None and not said(self):
            yield "truth", f"the agent says {self._record.phase}, which is not what happened"
        if self._record.cause == "polls" and self._polls_lost < 6:
            yield "truth", "propeller gave up polling"
        excused = self._was_cut_off or "lost_answer" in self._kinds
        if self._record.cause == "create" and self._end == "refused" and not excused:
            yield "truth", "its user's mistake used up an attempt that could not help"

    def _nothing_runs(self) -> Iterator[tuple[str, str]]:
        running = [fact.id for fact in self._facts if fact.state == "running"]
        if not running or self._outcome.hung:
            return
        if self._record.deletes:
            yield "stops", f"{', '.join(running)} runs on after DeleteTask was answered"
        elif not self._is_flytes_own_loss():
            yield "no-leak", f"{', '.join(running)} runs on, and Flyte has ended"

    def _is_flytes_own_loss(self) -> bool:
        # An answer that Flyte did not store: it will never delete this job.
        forgotten = self._answers > 0 and self._record.resource_meta is None
        # A process that is killed during create takes what it knew with it, and the caller sees an error.
        killed = "killed" in self._kinds and self._record.resource_meta is None
        # DeleteTask kept failing for longer than Flyte tries, or was tried once and Flyte 2 went on.
        given_up = self._record.given_up or self._record.cause in {"polls", "rounds"}
        return forgotten or killed or given_up

    def _results_stay(self) -> Iterator[tuple[str, str]]:
        for fact in self._facts:
            if fact.state == "finished" and fact.lost_results:
                yield "results-stay", f"the results of {fact.id} are gone"

    @property
    def _states(self) -> set[str]:
        return {fact.state for fact in self._facts}

    def _succeeded(self) -> bool:
        return "finished" in self._states

    def _failed(self) -> bool:
        return "failed" in self._states or (self._end == "refused" and not self._facts)

    def _may_be_retried(self) -> bool:
        # A job whose caller had gone was adopted by the next one while the vendor refused to cancel it, and then did.
        own = self._deletes_fail and "cancelled" in self._states
        return bool(self._states & {"evicted", "vanished"}) or own


_SAID: Mapping[tuple[str, str], Callable[[_Case], bool]] = {
    ("agent", "SUCCEEDED"): _Case._succeeded,  # noqa: SLF001  # its own class
    ("agent", "FAILED"): _Case._failed,  # noqa: SLF001  # the same
    ("agent", "RETRYABLE_FAILED"): _Case._may_be_retried,  # noqa: SLF001  # the same
}
