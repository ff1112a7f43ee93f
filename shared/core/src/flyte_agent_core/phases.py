"""Flyte's phases, and tables from a vendor's states to them."""

from __future__ import annotations

import enum
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = logging.getLogger("flyte_agent")

_TERMINAL = frozenset({"SUCCEEDED", "ABORTED", "FAILED", "RETRYABLE_FAILED"})
_WARNINGS = 100  # bounded: the vendor chooses the words


class Phase(enum.IntEnum):
    """
    What Flyte knows of a task.

    Source:
    https://github.com/flyteorg/flyte/blob/v1.16.8/flyteidl/protos/flyteidl/core/execution.proto
    """

    UNDEFINED = 0
    QUEUED = 1
    RUNNING = 2
    SUCCEEDED = 3
    ABORTED = 4
    FAILED = 5
    INITIALIZING = 6
    WAITING_FOR_RESOURCES = 7
    RETRYABLE_FAILED = 8

    def __init__(self, _number: int) -> None:
        self.is_terminal = self._name_ in _TERMINAL
        """Whether Flyte stops asking after this phase."""


class PhaseTable:
    """
    A vendor's states and the phase each one means.

    Not a ``Mapping``: with a default behind ``[]`` every state would seem to be in the table, and a
    test that it is complete would pass on nothing.

    Args:
        phases: One row for each state the vendor documents.
        unknown: The phase of a state that is not in the table. A new word of the vendor is no
            reason to abandon a job that may be running, so this is ``RUNNING`` unless there is a
            better answer.
        source: Where the list of states was read.
    """

    def __init__(
        self, phases: Mapping[str, Phase], *, source: str, unknown: Phase = Phase.RUNNING
    ) -> None:
        self._phases = dict(phases)
        self._unknown = unknown
        self._warned: set[str] = set()
        self.source = source

    @property
    def states(self) -> frozenset[str]:
        """The states the table knows."""
        return frozenset(self._phases)

    def __call__(self, state: str) -> Phase:
        """Return the phase of ``state``; an unknown one is logged once."""
        phase = self._phases.get(state)
        if phase is None:
            self._warn(state)
            return self._unknown
        return phase

    def _warn(self, state: str) -> None:
        if state not in self._warned and len(self._warned) < _WARNINGS:
            self._warned.add(state)
            _log.warning(
                "unknown vendor state %r is taken as %s; known: %s (%s)",
                state, self._unknown.name, ", ".join(sorted(self._phases)), self.source,
            )  # fmt: skip
