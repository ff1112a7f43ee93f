"""
What a story asks of a vendor's stand-in: a part of what the conformance kit asks, so that one adapter serves both.

Operations are ``create``, ``get`` and ``delete``, faults those of the kit: ``unavailable``, ``throttled``,
``dropped``, ``lost``, ``missing`` and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


class StoryBackend(Protocol):
    """A vendor whose jobs run until they are told how to end; any ``JobBackend`` of the kit is one."""

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
        """Let a job end badly."""
        ...

    def set_state(self, job: str, state: str) -> None:
        """Put a job in a state by the vendor's name for it."""
        ...

    def forget(self, job: str) -> None:
        """Know nothing of a job from now on."""
        ...

    def results(self, job: str) -> Any:
        """Return what a job that ended well has left behind."""
        ...

    def inject(
        self, operation: str, fault: str, *, times: int | None = 1, message: str = ""
    ) -> None:
        """Meet the next calls of an operation with a fault."""
        ...

    def heal(self) -> None:
        """End all faults."""
        ...

    def hold(self, operation: str) -> None:
        """From now on do what calls ask for, and keep the answers back."""
        ...

    def release(self) -> None:
        """Send the answers kept back, and keep none any more."""
        ...


def key_of(backend: StoryBackend, job: str) -> str:
    """
    Return what names the attempt in a job: its id, unless the backend says otherwise.

    A vendor that makes ids of its own is given the attempt's as a token or a label; its stand-in then has a method
    ``key_of(job)`` that returns it.
    """
    own = getattr(backend, "key_of", None)
    return str(own(job)) if own is not None else job
