"""
What the kit asks of a vendor's stand-in.

An adapter of a few lines gives it to a stand-in that exists; for one that is a ``FakeServer``,
:class:`~flyte_agent_testing.conformance.stand_in.ServerBackend` has all but the jobs.

Operations are ``create``, ``get``, ``delete`` and ``do``: what the agent is doing, not the vendor's
routes. Faults:

=============== ==========================================================================
``unavailable`` The vendor says that it cannot answer now (HTTP 503).
``throttled``   It says that there were too many calls (HTTP 429).
``dropped``     It closes the connection without doing anything.
``garbled``     It answers something that its documentation does not know.
``denied``      It says that the caller has not the permission (HTTP 403).
``missing``     It says that it does not know the job (HTTP 404), though it does.
``lost``        It does what it is asked and then closes the connection.
=============== ==========================================================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

FAULTS = ("unavailable", "throttled", "dropped", "garbled", "denied", "missing", "lost")


class Backend(Protocol):
    """A vendor that does what it is told to get wrong; enough for a sync agent."""

    def received(self) -> Sequence[Any]:
        """Return the bodies of the requests to create or to do something, as JSON, oldest first."""
        ...

    def inject(
        self, operation: str, fault: str, *, times: int | None = 1, message: str = ""
    ) -> None:
        """
        Meet the next calls of ``operation`` with a fault.

        Args:
            operation: What the agent is doing.
            fault: One of the list above.
            times: For how many calls; ``None`` until :meth:`heal`.
            message: The vendor's words, where the fault has any.
        """
        ...

    def heal(self) -> None:
        """End all faults."""
        ...

    def hold(self, operation: str) -> None:
        """From now on do what calls of ``operation`` ask for, and keep the answers back."""
        ...

    def release(self) -> None:
        """Send the answers kept back, and keep none any more. Called from any thread."""
        ...

    def held(self) -> int:
        """Return how many answers are being kept back."""
        ...


class JobBackend(Backend, Protocol):
    """A vendor whose jobs run for a while; they stay as they are until the kit says otherwise."""

    def jobs(self) -> Sequence[str]:
        """Return the ids of all jobs ever accepted, oldest first; those that have ended too."""
        ...

    def running(self) -> Collection[str]:
        """Return the ids of those that have not ended."""
        ...

    def finish(self, job: str) -> None:
        """Let a job end well, with results."""
        ...

    def fail(self, job: str, message: str) -> None:
        """Let a job end badly; ``message`` is what the vendor says about it."""
        ...

    def set_state(self, job: str, state: str) -> None:
        """Put a job in a state by the vendor's name for it; it may be one that nobody has heard of."""
        ...

    def forget(self, job: str) -> None:
        """Know nothing of a job from now on."""
        ...

    def results(self, job: str) -> Any:
        """Return what a job that ended well has left behind; equal as long as nobody destroys it."""
        ...


class SensorBackend(Backend, Protocol):
    """A vendor at which something may happen."""

    def occur(self) -> None:
        """Let what the task waits for happen."""
        ...

    def jobs(self) -> Sequence[str]:
        """Return whatever was made or changed by calls; a sensor only looks."""
        ...
