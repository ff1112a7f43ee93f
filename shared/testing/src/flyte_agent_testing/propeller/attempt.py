"""One attempt of a task: what its launch, its monitoring and its deletion have in common."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .crashes import CRASH_POINTS
from .errors import CrashError
from .item import Item
from .outputs import collect_outputs
from .rules import check_resource
from .status import PhaseInfo, UnknownPhase

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import Resource
    from flyteidl.core.literals_pb2 import LiteralMap

    from .outcome import AttemptRecord
    from .release import FailedRounds
    from .story import Story
    from .task import TaskRun
    from .world import World

ABORTED = PhaseInfo(
    phase="ABORTED", code="Task Aborted", message="aborted", interrupted=True, cause="abort"
)
HUNG = PhaseInfo(phase="HUNG", interrupted=True, cause="hung")
NEVER_S = float("inf")


@dataclasses.dataclass(eq=False, kw_only=True)
class Attempt:
    """
    One attempt.

    Attributes:
        world: The propeller.
        run: The task.
        record: Counted up as calls are made.
        story: Told what happens.
        rounds: How many rounds of the task failed.
        abort_at_s: When the user aborts, in virtual seconds since the propeller started.
        expires_at_s: When the time of all attempts together is up.
        horizon_s: When the task is called hung.
        timeout_at_s: When the time of this one is up.
        item: Its entry in the poll cache.
        connection: What Flyte 2 sends along with each call, encoded.
        poll_errors: Failed polls that outlive the process.
        round_failed: Whether the last round failed.
        outputs: What it made.
    """

    world: World
    run: TaskRun
    record: AttemptRecord
    story: Story
    rounds: FailedRounds
    abort_at_s: float
    expires_at_s: float
    horizon_s: float
    timeout_at_s: float = NEVER_S
    item: Item | None = None
    connection: bytes = b""
    poll_errors: int = 0
    round_failed: bool = False
    outputs: LiteralMap | None = None

    def __post_init__(self) -> None:
        self.started_s = self.world.pace.now_s()
        if self.world.release.number == 1:
            self.start_timer()

    @property
    def whom(self) -> str:
        """Names the attempt to the dice."""
        return f"{self.run.name}/{self.record.number}"

    def start_timer(self) -> None:
        """Count the time of this attempt from now, if nobody does yet."""
        applies = self.world.release.number == 1 or self.world.settings.enforces_timeouts
        if applies and self.timeout_at_s == NEVER_S:
            self.timeout_at_s = self.world.pace.now_s() + self.run.attempt_limit_s

    def hits(self, kind: str) -> bool:
        """Return whether a fault hits it now."""
        return self.world.dice.hits(kind, self.whom)

    def crash(self, point: str) -> None:
        """
        Die here, if that is to be.

        Raises:
            CrashError: It was.
        """
        if self.hits(point):
            raise CrashError(f"propeller died {CRASH_POINTS[point]}")

    async def recover(self, crash: object) -> None:
        """Be the next propeller, which knows what was stored."""
        self.story.tell("fault", str(crash))
        self.world.crashed()
        await self.world.pace.sleep(self.world.settings.restart_s)

    def loses_answer(self) -> bool:
        """Return whether the answer that just came gets lost."""
        return self.hits("lost_answer")

    def poll(self, meta: bytes | None) -> Item:
        """Have it polled from now on."""
        item = Item(
            run=self.run,
            record=self.record,
            story=self.story,
            meta=meta,
            ended=self.world.release.ended,
            connection=self.connection,
            failures=self.poll_errors,
        )
        self.item = self.world.cache.add(item)
        return self.item

    def forget(self) -> None:
        """Have it polled no more."""
        if self.item is not None:
            self.world.cache.remove(self.item)

    def check(self, resource: Resource, *, needs_link: bool) -> None:
        """Write down the rules that an answer breaks."""
        declares = bool(self.run.template.interface.outputs.variables)
        for rule, found in check_resource(
            resource, declares_outputs=declares, needs_link=needs_link
        ):
            self.story.violate(rule, found)

    def conclude(self, resource: Resource, *, sync: bool = False) -> PhaseInfo | None:
        """Return what this round makes of an answer, ``None`` if the round failed and is repeated."""
        try:
            info = self.world.release.status_of(resource, sync=sync)
        except UnknownPhase as unknown:
            return self.fail_round("unknown-phase", str(unknown))
        if info.phase == "SUCCEEDED":
            return self._with_outputs(info, resource)
        self.rounds.passed()
        return info

    def _with_outputs(self, info: PhaseInfo, resource: Resource) -> PhaseInfo | None:
        """Take the outputs of a success, without which it is none."""
        found = collect_outputs(
            self.run.template,
            resource,
            self.record.output_prefix,
            self.world.read_file,
            self.world.settings.max_download_bytes,
            reads_error_file=self.world.release.reads_error_file,
        )
        if not isinstance(found, PhaseInfo):
            self.outputs = found
            self.rounds.passed()
            return info
        if found.code == "OutputsNotFound":
            if self.world.release.number == 2:
                return self.fail_round("outputs-not-found", found.message)
            self.story.violate("outputs-not-found", found.message)
        return dataclasses.replace(found, links=info.links, custom_info=info.custom_info)

    def fail_round(self, rule: str, found: str, *, blame: bool = True) -> PhaseInfo | None:
        """Count a round that failed as a whole; return how the task ends if that was too often."""
        self.round_failed = True
        if blame and rule not in {violation.rule for violation in self.story.violations}:
            self.story.violate(rule, found)
        return self.rounds.failed(found)
