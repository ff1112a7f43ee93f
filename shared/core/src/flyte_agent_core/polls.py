"""What the last polls of each job said, so that a poll that fails does not lose it."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from .meta import digest
from .phases import Phase
from .resource import Resource

if TYPE_CHECKING:
    from .meta import JobMeta

_JOBS = 50_000
"""Jobs remembered; the ones polled longest ago are forgotten first. About 1 KB each."""


@dataclasses.dataclass
class Memory:
    """
    One job as it was last seen by this process.

    Attributes:
        failing_since_s: Monotonic seconds since when every poll failed; ``None`` while they pass.
        missing_since_s: The same for polls in which the vendor did not know the job.
        given_up: The answer for good, once polls have failed for too long.
    """

    phase: Phase | None = None
    links: dict[str, str] = dataclasses.field(default_factory=dict)
    failures: int = 0
    failing_since_s: float | None = None
    missing_since_s: float | None = None
    given_up: Resource | None = None

    def saw(self, resource: Resource) -> None:
        """Note a poll that passed."""
        self.phase, self.links = resource.phase, resource.links or self.links
        self.failures, self.failing_since_s, self.missing_since_s = 0, None, None

    def failing_for_s(self, now_s: float) -> float:
        """Note a poll that failed; return for how long they have."""
        self.failures += 1
        self.failing_since_s = now_s if self.failing_since_s is None else self.failing_since_s
        return now_s - self.failing_since_s

    def missing_for_s(self, now_s: float) -> float:
        """Note a poll in which the job was not known; return for how long it has been so."""
        self.missing_since_s = now_s if self.missing_since_s is None else self.missing_since_s
        return now_s - self.missing_since_s

    def last_known(self, message: str, otherwise: Phase = Phase.RUNNING) -> Resource:
        """Return the answer for a poll that could not see the job."""
        return Resource(phase=self.phase or otherwise, message=message, links=dict(self.links))


class Memories:
    """The memories of all jobs, bounded; safe to use from any thread."""

    def __init__(self, size: int = _JOBS) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._jobs: OrderedDict[bytes, Memory] = OrderedDict()

    def of(self, meta: JobMeta) -> Memory:
        """Return the memory of a job, a fresh one if there is none."""
        name = digest(meta)
        with self._lock:
            memory = self._jobs.get(name)
            if memory is None:
                memory = self._jobs[name] = Memory()
            self._jobs.move_to_end(name)
            while len(self._jobs) > self._size:
                self._jobs.popitem(last=False)
        return memory

    def __len__(self) -> int:
        return len(self._jobs)
