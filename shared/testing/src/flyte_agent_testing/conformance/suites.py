"""The suites: which checks an agent of each kind has to pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .accept import AcceptChecks
from .answers import Answer
from .checks import expect
from .create import CreateChecks
from .create_faults import CreateFaultChecks
from .deadlines import DeadlineChecks, LoopChecks
from .delete import DeleteChecks
from .get import GetChecks, LifeChecks
from .meta import LIMIT_BYTES, MetaChecks
from .packaging import PackageChecks
from .polls import PollChecks
from .propelled import PropellerChecks
from .secrecy import SecretChecks, TaskSecretChecks
from .sensor import SensorChecks
from .shown import JobShownChecks, ShownChecks
from .sync import SyncChecks
from .tables import ErrorTableChecks, StateTableChecks
from .values import ValueChecks

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import CreateTaskRequest

    from .bench import Bench
    from .replica import Replica
    from .service import Remote


class AsyncAgentConformance(
    PropellerChecks,
    PackageChecks,
    ErrorTableChecks,
    StateTableChecks,
    ValueChecks,
    JobShownChecks,
    ShownChecks,
    TaskSecretChecks,
    LoopChecks,
    DeadlineChecks,
    MetaChecks,
    DeleteChecks,
    PollChecks,
    LifeChecks,
    GetChecks,
    CreateFaultChecks,
    CreateChecks,
    AcceptChecks,
):
    """
    The checks of an agent whose jobs run at a vendor's.

    Subclass it in a test module, and give it the fixtures ``backend`` (a
    :class:`~flyte_agent_testing.conformance.backend.JobBackend`), ``task``, ``broken_tasks`` and ``carrying``.
    """

    def let_it_end(self, bench: Bench) -> None:
        """Let every job end well."""
        for job in list(bench.backend.running()):
            bench.backend.finish(job)

    def let_it_go_wrong(self, bench: Bench, message: str) -> None:
        """Let every job fail."""
        for job in list(bench.backend.running()):
            bench.backend.fail(job, message)

    def expect_started_once(self, bench: Bench) -> None:
        """Go on if there is one job."""
        if self.has_request_id:
            bench.job()

    async def expect_stopped(self, bench: Bench, otherwise: str) -> None:
        """Go on once no job runs."""
        await bench.nothing_runs(otherwise)

    async def submit(
        self, bench: Bench, request: CreateTaskRequest, replica: Replica | Remote
    ) -> Answer:
        """Create a job and poll it."""
        meta = await replica.create(bench.attempt(request))
        expect(len(meta) < LIMIT_BYTES, f"made {len(meta)} bytes of metadata for one job")
        return await bench.poll(meta, replica)


class SensorConformance(
    SensorChecks,
    PropellerChecks,
    PackageChecks,
    ErrorTableChecks,
    ShownChecks,
    TaskSecretChecks,
    LoopChecks,
    DeadlineChecks,
    MetaChecks,
    PollChecks,
    LifeChecks,
    AcceptChecks,
):
    """
    The checks of an agent that starts nothing and waits for something.

    Subclass it in a test module, say in ``timeout_s`` how long ``task`` may wait, and give it the
    fixtures ``backend`` (a :class:`~flyte_agent_testing.conformance.backend.SensorBackend`),
    ``task`` and ``broken_tasks``.
    """

    has_links: ClassVar[bool] = False

    def let_it_end(self, bench: Bench) -> None:
        """Let happen what is waited for."""
        bench.backend.occur()

    def let_it_go_wrong(self, bench: Bench, message: str) -> None:
        """Let the sensor be refused."""
        bench.backend.inject("get", "denied", times=None, message=message)

    def expect_started_once(self, bench: Bench) -> None:
        """Go on if nothing was started."""
        expect(not bench.backend.jobs(), f"made {list(bench.backend.jobs())} at the vendor")

    async def expect_stopped(self, bench: Bench, otherwise: str) -> None:
        """Go on: there is nothing to be stopped."""

    def between_faults_s(self) -> float:
        """Return so few seconds that the sensor's own time is not over when all faults are."""
        return self.timeout_s / (2 * self.poll_errors + 10)


class SyncAgentConformance(SyncChecks, PackageChecks, ErrorTableChecks, ValueChecks, SecretChecks):
    """
    The checks of an agent that is done when it answers.

    Subclass it in a test module, and give it the fixtures ``backend`` (a
    :class:`~flyte_agent_testing.conformance.backend.Backend`), ``task``, ``broken_tasks`` and ``carrying``.
    """
