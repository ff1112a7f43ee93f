"""A vendor that is a dictionary, with everything a vendor can get wrong."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
import threading
from typing import Any


class VendorError(Exception):
    """Base of what the vendor's client raises."""


class Unavailable(VendorError): ...


class Throttled(VendorError): ...


class Dropped(VendorError): ...


class Garbled(VendorError): ...


class Denied(VendorError): ...


class NotFound(VendorError): ...


class Exists(VendorError): ...


FAULTS = {
    "unavailable": Unavailable,
    "throttled": Throttled,
    "dropped": Dropped,
    "garbled": Garbled,
    "denied": Denied,
    "missing": NotFound,
    "lost": Dropped,
}
STATES = ("queued", "working", "done", "broken", "evicted", "stopped")
ENDED = {"done", "broken", "evicted", "stopped"}


@dataclasses.dataclass
class Job:
    id: str
    request: dict[str, Any]
    state: str = "working"
    error: str = ""
    result: dict[str, Any] | None = None


@dataclasses.dataclass
class Fault:
    name: str
    times: int | None
    message: str


class Vendor:
    """
    The platform. Calls come from coroutines (:meth:`ask`) or from threads (:meth:`ask_and_wait`).

    Attributes:
        token: What callers must show; every call is refused without it.
        there: Whether what a sensor waits for has occurred.
        calls: How often each operation was called.
    """

    def __init__(self, seed: int = 0) -> None:
        self.all: dict[str, Job] = {}
        self.requests: list[dict[str, Any]] = []
        self.token = ""
        self.there = False
        self.consumed: list[str] = []
        self._faults: dict[str, list[Fault]] = {}
        self._kept_back: set[str] = set()
        self._free = threading.Event()
        self._free.set()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []
        self._held = 0
        self._turns = random.Random(seed) if seed else None

    # -- what an agent asks -----------------------------------------------------------------------

    async def ask(self, operation: str, method: str, *args: Any) -> Any:
        """Call a method of the vendor as a coroutine."""
        for _ in range(self._turns.randrange(20) if self._turns else 0):
            await asyncio.sleep(0)
        found = self._work(operation, method, args)
        if operation in self._kept_back:
            gate = asyncio.Event()
            self._waiting.append((asyncio.get_running_loop(), gate))
            self._held += 1
            try:
                await gate.wait()
            finally:
                self._held -= 1
        return found

    def ask_and_wait(self, operation: str, method: str, *args: Any) -> Any:
        """Call a method of the vendor and block until it answers."""
        found = self._work(operation, method, args)
        if operation in self._kept_back:
            self._held += 1
            self._free.wait()
            self._held -= 1
        return found

    def _work(self, operation: str, method: str, args: tuple[Any, ...]) -> Any:
        fault = self._next_fault(operation)
        if fault is not None and fault.name != "lost":
            raise FAULTS[fault.name](fault.message or f"{fault.name}, says the vendor")
        found = getattr(self, f"_{method}")(*args)
        if fault is not None:
            raise Dropped("the connection broke")
        return found

    def _next_fault(self, operation: str) -> Fault | None:
        for fault in self._faults.get(operation, []):
            if fault.times != 0:
                fault.times = None if fault.times is None else fault.times - 1
                return fault
        return None

    def _submit(self, job: str, request: dict[str, Any]) -> Job:
        self.requests.append(request)
        if job in self.all:
            raise Exists(f"there is a job {job}")
        self.all[job] = Job(job, request)
        return self.all[job]

    def _look(self, job: str) -> Job:
        if job not in self.all:
            raise NotFound(f"no job {job}")
        return dataclasses.replace(self.all[job])

    def _stop(self, job: str) -> None:
        found = self.all.get(job)
        if found is None:
            raise NotFound(f"no job {job}")
        if found.state not in ENDED:
            found.state = "stopped"

    def _drop_results(self, job: str) -> None:
        self.all[job].result = None

    def _work_out(self, key: str, request: dict[str, Any]) -> dict[str, Any]:
        """Do something at once; the same key is done once."""
        if key not in self.all:
            self.requests.append(request)
            self.all[key] = Job(key, request, "done", result=_result_of(request))
        return self.all[key].result

    def _is_there(self) -> bool:
        return self.there

    def _consume(self) -> bool:
        was_there, self.there = self.there, False
        self.consumed += ["event"] * was_there
        return was_there

    # -- what the kit asks ------------------------------------------------------------------------

    def jobs(self) -> list[str]:
        return [*self.all, *self.consumed]

    def running(self) -> list[str]:
        return [job.id for job in self.all.values() if job.state not in ENDED]

    def finish(self, job: str) -> None:
        self.all[job].state, self.all[job].result = "done", _result_of(self.all[job].request)

    def fail(self, job: str, message: str) -> None:
        self.all[job].state, self.all[job].error = "broken", message

    def set_state(self, job: str, state: str) -> None:
        self.all[job].state = state
        self.all[job].result = _result_of(self.all[job].request) if state == "done" else None

    def forget(self, job: str) -> None:
        del self.all[job]

    def results(self, job: str) -> Any:
        return self.all[job].result if job in self.all else None

    def received(self) -> list[dict[str, Any]]:
        return self.requests

    def occur(self) -> None:
        self.there = True

    def inject(
        self, operation: str, fault: str, *, times: int | None = 1, message: str = ""
    ) -> None:
        self._faults.setdefault(operation, []).append(Fault(fault, times, message))

    def heal(self) -> None:
        self._faults.clear()

    def hold(self, operation: str) -> None:
        self._kept_back.add(operation)
        self._free.clear()

    def release(self) -> None:
        self._kept_back.clear()
        self._free.set()
        waiting, self._waiting = self._waiting, []
        for loop, gate in waiting:
            with contextlib.suppress(RuntimeError):  # its loop has ended
                loop.call_soon_threadsafe(gate.set)

    def held(self) -> int:
        return self._held


def _result_of(request: dict[str, Any]) -> dict[str, Any]:
    return {"lines": len(str(request.get("text", ""))), "bytes_read": 2**60 + 1}
