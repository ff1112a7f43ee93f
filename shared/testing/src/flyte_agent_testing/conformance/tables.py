"""The agent's tables: complete, and used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flyte_agent_core import AgentError, Phase, ProtocolError

from .base import Conformance, TaskConformance
from .checks import check, expect

if TYPE_CHECKING:
    from collections.abc import Collection

    from .bench import Bench

_NEWS = "STATE_OF_NEXT_YEAR"


class ErrorTableChecks(Conformance):
    """What the vendor's errors mean."""

    @check
    def test_every_vendor_error_is_mapped(self) -> None:
        """
        Every error that the vendor documents has a meaning.

        Flyte: does what the error's class says: fail for good, retry, wait; one that is not mapped
        is a guess, and a wrong guess costs the user's retries or an answer at three in the morning.

        Troubleshooting: give each a row in the agent's table: TaskError if the user must act,
        RetryableError if the same may pass later, JobNotFound if the job is not known.
        """
        expect(self.vendor_errors, "was not tried: `vendor_errors` of the suite is empty")
        cls = type(self)
        expect(cls.errors is not None or cls.error_of, "has neither `errors` nor `error_of`")
        wrong = [str(error) for error in self.vendor_errors if not self._is_mapped(error)]
        expect(not wrong, f"does not say what these mean: {', '.join(wrong)}")

    def _is_mapped(self, error: Any) -> bool:
        table, function = type(self).errors, type(self).error_of
        if table is not None:
            kin = error.__mro__ if isinstance(error, type) else (error,)
            return any(key in table and _is_meaning(table[key]) for key in kin)
        # A function's ProtocolError is what it says when it does not know; a row of a table is meant.
        return (
            function is not None and _is_meaning(found := function(error)) and not _is_news(found)
        )


class StateTableChecks(TaskConformance):
    """
    What the vendor's states mean.

    Attributes:
        vendor_states: Every state the vendor documents.
        phases: The agent's table from them to phases.
    """

    vendor_states: ClassVar[Collection[str]] = frozenset()
    phases: ClassVar[Any] = None

    def phase_of(self, state: str) -> Phase:
        """Return the phase a poll should answer for ``state``; by default what the table says."""
        return Phase(self.phases(state))

    @check
    def test_every_vendor_state_has_a_phase(self) -> None:
        """
        Every documented state has a phase, and the table says where the list was read.

        Flyte: shows RUNNING for a state without a row; if it is one in which the job has ended, for
        ever.

        Troubleshooting: add a row to the agent's PhaseTable for each.
        """
        expect(self.vendor_states, "was not tried: `vendor_states` of the suite is empty")
        expect(self.phases is not None, "has no table: name it in `phases`")
        missing = sorted(set(self.vendor_states) - set(self.phases.states))
        expect(not missing, f"has no phase for {', '.join(missing)}")
        undefined = [s for s in sorted(self.vendor_states) if not self.phases(s)]
        expect(not undefined, f"says UNDEFINED for {', '.join(undefined)}")
        expect(self.phases.source, "does not say where its list of states was read")

    @check
    async def test_every_vendor_state_is_answered(self, bench: Bench) -> None:
        """
        A poll of a job in any documented state answers the phase of that state.

        Flyte: counts a poll that raises, and takes UNDEFINED for a failure that may be retried.

        Troubleshooting: let get ask the table, and nothing else.
        """
        for state in sorted(self.vendor_states):
            meta, job = await bench.started(bench.attempt())
            bench.backend.set_state(job, state)
            answer, wanted = await bench.poll(meta), self.phase_of(state)
            expect(answer.phase is wanted, f"answered {answer} to {state}, expected {wanted.name}")

    @check
    async def test_unknown_vendor_state_keeps_the_task_running(self, bench: Bench) -> None:
        """
        A state that nobody has heard of is RUNNING.

        Flyte: would end the task while the job goes on, and the vendor adds a state when it likes.

        Troubleshooting: use PhaseTable: it answers RUNNING and warns once; do not raise on a
        missing key.
        """
        meta, job = await bench.started()
        bench.backend.set_state(job, _NEWS)
        for _ in range(3):
            answer = await bench.poll(meta)
            expect(answer.phase is Phase.RUNNING, f"answered {answer} to the state {_NEWS}")
        bench.backend.finish(job)
        answer = await bench.poll(meta)
        expect(answer.phase is Phase.SUCCEEDED, f"answered {answer} for a job that succeeded")


def _is_meaning(error: Any) -> bool:
    kind = error if isinstance(error, type) else type(error)
    return issubclass(kind, AgentError) and kind is not AgentError


def _is_news(error: Any) -> bool:
    return ProtocolError in {error, type(error)}
