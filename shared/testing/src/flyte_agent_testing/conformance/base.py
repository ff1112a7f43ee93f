"""What every suite has: its settings and the fixtures that are its only seam."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from flyte_agent_core import AsyncAgent, SyncAgent
from flyte_agent_testing.clock import FakeClock

from .bench import Bench, Patience

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from pathlib import Path

    from flyteidl.admin.agent_pb2 import CreateTaskRequest

CANARY = "canary-9f1c4e7ab2d84c35"
"""A credential that must not be found anywhere but at the vendor."""


class Conformance:
    """
    Settings and fixtures of a suite.

    What a subclass says about its agent:

    Attributes:
        agent_type: The class.
        plugin_module: The module of its ``flytekit.plugins`` entry point.
        vendor_modules: What that module must not import: the vendor's SDK.
        vendor_errors: Every error the vendor documents: names, exception classes or exceptions.
        errors: The agent's table from them to errors of the core; or
        error_of: its function from one of them to an error of the core, or to its class.
        recorded_metas: A folder with one JSON file for each form the agent's metadata ever had.
        secret_names: Secrets that ``task`` refers to; ``canary`` is put in the place of each.
        transient_faults: What the vendor may do wrong for a while without anybody being to blame.

    What the vendor cannot do; say so only after having read its documentation twice:

    Attributes:
        can_cancel: Jobs can be stopped.
        has_links: Jobs have a page.
        has_request_id: The vendor takes an id or a token, and makes one job of it.
        tells_requests_apart: The agent notices that a job of its id does something else.
        carries_values: Part of a task reaches the vendor verbatim; ``carrying`` makes such tasks.
        uses_clock: The agent goes by ``self.clock``, so that the kit can let hours pass.

    How long the kit waits:

    Attributes:
        patience_s: Virtual seconds of an outage after which a task ends (the core's
            ``poll_patience_s``).
        poll_errors: Failed polls, each followed by one that works, that must not matter.
        deadline_s: Real seconds of the deadline that calls are to meet.
        slack_s: How much later than that is too late.
        settle_s: Real seconds for what goes on in the background.
        blocked_s: Real seconds for which the event loop may stand still.
    """

    agent_type: ClassVar[type[Any]]
    plugin_module: ClassVar[str] = ""
    vendor_modules: ClassVar[tuple[str, ...]] = ()
    vendor_errors: ClassVar[Collection[Any]] = ()
    errors: ClassVar[Mapping[Any, Any] | None] = None
    error_of: ClassVar[Callable[[Any], Any] | None] = None
    secret_names: ClassVar[tuple[str, ...]] = ()
    transient_faults: ClassVar[tuple[str, ...]] = (
        "unavailable",
        "throttled",
        "dropped",
        "garbled",
    )
    recorded_metas: ClassVar[Path | str | None] = None

    can_cancel: ClassVar[bool] = True
    has_links: ClassVar[bool] = True
    has_request_id: ClassVar[bool] = True
    tells_requests_apart: ClassVar[bool] = True
    carries_values: ClassVar[bool] = True
    uses_clock: ClassVar[bool] = True

    patience_s: ClassVar[float] = 900.0
    poll_errors: ClassVar[int] = 60
    deadline_s: ClassVar[float] = 0.25
    slack_s: ClassVar[float] = 2.0
    settle_s: ClassVar[float] = 3.0
    blocked_s: ClassVar[float] = 0.5

    @pytest.fixture
    def backend(self) -> Any:
        """The vendor: see :mod:`flyte_agent_testing.conformance.backend` for what it must do."""
        return self._missing("backend", "a stand-in for the vendor, as `Backend` describes it")

    @pytest.fixture
    def task(self) -> CreateTaskRequest:
        """A request that works; :func:`flyte_agent_testing.templates.create_request` makes one."""
        return self._missing("task", "the CreateTaskRequest of a task that works")

    @pytest.fixture
    def broken_tasks(self) -> Mapping[str, CreateTaskRequest]:
        """Requests with mistakes of a user, each by words that must stand in the message about it."""
        what = "requests by what their messages must say"
        missing: Mapping[str, CreateTaskRequest] = self._missing("broken_tasks", what)
        return missing

    @pytest.fixture
    def carrying(self) -> Callable[[Any], CreateTaskRequest]:
        """A function from a value (int or str) to a task that passes it on to the vendor."""
        what = "a function from a value to a task that passes it on to the vendor"
        missing: Callable[[Any], CreateTaskRequest] = self._missing("carrying", what)
        return missing

    @pytest.fixture
    def canary(self, monkeypatch: pytest.MonkeyPatch) -> str:
        """The credential the agent uses; empty if there is none that the kit could choose."""
        for name in self.secret_names:
            capitals = name.upper().replace("-", "_").replace(".", "_")
            monkeypatch.setenv(f"_FSEC_{capitals}", CANARY)
        return CANARY if self.secret_names else ""

    @pytest.fixture
    def clock(self) -> FakeClock:
        """The time all replicas go by."""
        return FakeClock()

    @pytest.fixture
    def make_agent(self, backend: Any, clock: FakeClock, canary: str) -> Callable[[], Any]:
        """A function that makes an instance as a new process would: nothing is shared with the others."""
        if issubclass(self.agent_type, (AsyncAgent, SyncAgent)):
            return lambda: self.agent_type(clock=clock)
        return self.agent_type

    @pytest.fixture
    def bench(
        self,
        backend: Any,
        clock: FakeClock,
        task: CreateTaskRequest,
        make_agent: Callable[[], Any],
    ) -> Bench:
        """All of that, for one check."""
        patience = Patience(
            deadline_s=self.deadline_s,
            slack_s=self.slack_s,
            settle_s=self.settle_s,
            blocked_s=self.blocked_s,
        )
        return Bench(backend, clock, task, make_agent, patience)

    def needs(self, capability: str) -> None:
        """Skip a check that asks for something the suite says the vendor cannot do."""
        if not getattr(self, capability):
            pytest.skip(f"{type(self).__name__} says {capability} = False")

    def _missing(self, name: str, what: str) -> Any:
        pytest.fail(f"{type(self).__name__} needs a fixture `{name}`: {what}", pytrace=False)


class TaskConformance(Conformance):
    """A suite of an agent with create, get and delete."""

    def let_it_end(self, bench: Bench) -> None:
        """Let what was started end well."""
        raise NotImplementedError

    def let_it_go_wrong(self, bench: Bench, message: str) -> None:
        """Let what was started end badly; ``message`` is what the vendor says about it."""
        raise NotImplementedError

    def expect_started_once(self, bench: Bench) -> None:
        """Go on if one attempt has left what one attempt should."""
        raise NotImplementedError

    async def expect_stopped(self, bench: Bench, otherwise: str) -> None:
        """Go on once nothing runs at the vendor any more."""
        raise NotImplementedError
