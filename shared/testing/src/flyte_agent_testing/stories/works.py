"""
Stories of sync agents: what the vendor has really done, and what must hold when a story is over.

A sync agent starts nothing that goes on: each call asks the vendor for a piece of work and answers with its result.
Under Flyte 1 that is ExecuteTaskSync; Flyte 2 has no such call, so there the work is done inside CreateTask and the
result travels to the first GetTask in the metadata.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .truth import Fact, Truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flyte_agent_testing.propeller import AttemptRecord, Outcome

    from .stage import Played


class WorkTruth(Truth):
    """Knows each piece of work that the vendor has done; it is over as soon as it is there."""

    is_sync = True

    def look(self) -> None:
        """Find out what has been done at the vendor's."""
        for work in works(self._backend):
            if work not in self.facts:
                fact = self.facts[work] = self._fact(work)
                fact.state = "finished"
                self._tell(fact.task, fact.attempt, f"work {work[:80]} done")

    def conclude(self) -> None:
        """Look for the last time."""
        self.look()


def works(backend: Any) -> Sequence[str]:
    """
    Return what names each piece of work, oldest first.

    That is what ``jobs()`` of the backend returns; one without it has the requests that differ.
    """
    if hasattr(backend, "jobs"):
        return list(backend.jobs())
    bodies = (json.dumps(body, sort_keys=True) for body in backend.received())
    return list(dict.fromkeys(bodies))


def whole(played: Played) -> Iterator[tuple[str, str]]:
    """Yield what does not hold for all attempts together; all that can be said if works bear no keys."""
    records = [record for outcome in played.outcomes for record in outcome.attempts]
    done, asked = len(played.truth.facts), sum(record.creates for record in records)
    succeeded = sum((r.cause, r.phase) == ("agent", "SUCCEEDED") for r in records)
    if done < succeeded:
        yield "truth", f"the agent says SUCCEEDED {succeeded} times, the vendor has worked {done}"
    if done > asked and not played.story.troubles and not played.story.mishaps:
        yield "one-job", f"{asked} calls have made the vendor work {done} times"


class WorkCase:
    """One attempt of a sync task, and the work that was done for it."""

    def __init__(self, played: Played, outcome: Outcome, record: AttemptRecord) -> None:
        task = outcome.task.partition("/")[0]
        self._played, self._record, self._task = played, record, task
        self._facts: list[Fact] = played.truth.of(task, record.number)
        self._is_refused = played.story.tasks[int(task.removeprefix("t"))].is_refused
        self._kinds = {mishap.kind for mishap in played.story.mishaps}

    def said(self, text: str) -> str:
        """Return a text that says where."""
        ended = f"{self._record.phase or 'no end'} by {self._record.cause or 'nobody'}"
        where = f"{self._task}, attempt {self._record.number}"
        return f"{where} ({ended}; work done: {len(self._facts)}): {text}"

    def breaches(self) -> Iterator[tuple[str, str]]:
        """Yield what does not hold."""
        if self._played.truth.asks_once and len(self._facts) > 1:
            yield "one-job", f"the vendor has done its work {len(self._facts)} times"
        said = self._record.phase
        if self._record.cause == "agent" and not self._is_true(said):
            yield "truth", f"the agent says {said}, which is not what happened"
        excused = self._kinds & {"killed", "lost_answer"}
        if self._record.cause == "create" and self._is_refused and not excused:
            yield "truth", "its user's mistake used up an attempt that could not help"

    def _is_true(self, said: str) -> bool:
        if said == "SUCCEEDED":
            is_told_apart = self._played.truth.asks_once
            return not self._is_refused and (bool(self._facts) or not is_told_apart)
        if said == "FAILED":
            return self._is_refused
        return bool(self._played.story.troubles)
