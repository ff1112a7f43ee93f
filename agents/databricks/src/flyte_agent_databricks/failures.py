"""Why a run failed, from what the run itself says; :mod:`flyte_agent_databricks.forensics` asks further."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flyte_agent_core import AgentError, RetryableError, TaskError

from .errors import BY_TYPE, LIFE_CYCLES, OF_CODE, RESULTS, TERMINATIONS, TYPES, Advice, code_of

if TYPE_CHECKING:
    from .job_run import Run

FOLLOWING = frozenset({"UPSTREAM_FAILED", "UPSTREAM_CANCELED", "EXCLUDED", "DISABLED"})
"""Results of tasks that failed because others did, or did not run."""

_FINE = frozenset({"SUCCESS", "SUCCESS_WITH_FAILURES"})
UNDECIDED_S = 900.0
"""How long a run that ended in a way this version does not know is polled on."""


class Verdict(NamedTuple):
    """What became of a run: the kind of error, Databricks' word for it, and what to do."""

    error: type[AgentError]
    word: str
    advice: str
    retry_after_s: float | None = None

    @property
    def code(self) -> str:
        """The stable code."""
        return code_of(self.word)

    @property
    def is_of_code(self) -> bool:
        """Whether the user's own code failed."""
        return self.word in OF_CODE


def failed_tasks(run: Run) -> list[Run]:
    """Return the tasks that failed by themselves, in their last attempt; those that only followed if there are none."""
    ended = [task for task in run.tasks if task.has_ended and task.result not in _FINE]
    first = [task for task in ended if task.result not in FOLLOWING and task.code not in FOLLOWING]
    return sorted(first or ended, key=lambda task: (task.end_ms or task.start_ms, task.task_key))


def verdict(run: Run, *, strict: bool = False) -> Verdict | None:
    """
    Return why a run that ended has failed; ``None`` if it has not, or says nothing that is known.

    Args:
        run: The run.
        strict: Whether it has failed if some of its tasks have, though its leaves succeeded.
    """
    found = _own(run)
    if found is None or found.error is AgentError:
        return None
    if found.word == "SUCCESS_WITH_FAILURES":
        return found if strict else None
    if found.is_of_code:
        return _of_tasks(run) or found
    return found


def is_undecided(run: Run) -> bool:
    """Whether a run has ended in a way that this version does not know."""
    return run.has_ended and _own(run) is None


def _own(run: Run) -> Verdict | None:
    """Return what the run's own code says; else its type, its result, its life-cycle state."""
    for word, table in (
        (run.code, TERMINATIONS),
        (run.type, TYPES),
        (run.result, RESULTS),
        (run.state, LIFE_CYCLES),
    ):
        advice = table.get(word)
        if advice is not None:
            return _judged(run, run.code or run.result or word, advice)
    return None


def _judged(run: Run, word: str, advice: Advice) -> Verdict:
    if run.result == "TIMEDOUT" and run.code in ("", "CANCELED"):
        word, advice = "TIMEDOUT", RESULTS["TIMEDOUT"]
    error = advice.error
    if run.code in BY_TYPE and run.type == "CLIENT_ERROR":
        error = TaskError
    return Verdict(error, word, advice.text, advice.retry_after_s)


def _of_tasks(run: Run) -> Verdict | None:
    """Return the verdict of the failed task that says most: one the user must repair, then code, then the rest."""
    found = [verdict for task in failed_tasks(run) if (verdict := _own(task)) is not None]
    found = [verdict for verdict in found if verdict.error is not AgentError]
    return min(found, key=_rank, default=None)


def _rank(found: Verdict) -> int:
    if found.is_of_code:
        return 1
    return 0 if issubclass(found.error, TaskError) else 2


def with_retries(found: Verdict, *, code_retries: bool, adopted: bool) -> Verdict:
    """Return a verdict as the task wants it: whether code is tried again, and whose cancel it may have been."""
    if found.is_of_code and not code_retries:
        return found._replace(error=TaskError)
    if adopted and found.word in ("USER_CANCELED", "CANCELED"):
        # Create found this run. The cancel may have been ours, sent after an earlier create whose caller had gone.
        again = (
            "The run was cancelled while its create was repeated; the next attempt makes a new one."
        )
        return found._replace(error=RetryableError, advice=again)
    return found
