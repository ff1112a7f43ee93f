"""
Work of the SDK's that nobody can bound: it asks for tokens without any timeout, and retries for five minutes.

It is done in a thread of its own, once for all who wait for it, each as long as its own call may take.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from flyte_agent_core import RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self) -> None:
        self.done = threading.Event()
        self.value: list[T] = []
        self.error: BaseException | None = None


class Background(Generic[T]):
    """One piece of work, done again when it is asked for after it has ended; used from any thread."""

    def __init__(self, work: Callable[[], T], name: str) -> None:
        self._work, self._name = work, name
        self._lock = threading.Lock()
        self._flight: _Flight[T] | None = None

    def result(self, timeout_s: float) -> T:
        """
        Return what the work gives, begun now unless it is under way.

        Raises:
            RetryableError: It takes longer than ``timeout_s``; it goes on, and the next call may find it done.
            Exception: What the work raised.
        """
        flight = self._begun()
        if not flight.done.wait(timeout_s):
            raise RetryableError(
                f"{self._name} did not answer within {timeout_s:.0f} s",
                code="DATABRICKS.SIGN_IN_UNREACHABLE",
            )
        if flight.error is not None:
            raise flight.error
        return flight.value[0]

    def _begun(self) -> _Flight[T]:
        with self._lock:
            if self._flight is None:
                self._flight = _Flight()
                threading.Thread(
                    target=self._fly, args=(self._flight,), name=self._name, daemon=True
                ).start()
            return self._flight

    def _fly(self, flight: _Flight[T]) -> None:
        try:
            flight.value.append(self._work())
        except BaseException as error:  # noqa: BLE001  # those who wait get it
            flight.error = error
        with self._lock:
            self._flight = None
        flight.done.set()
