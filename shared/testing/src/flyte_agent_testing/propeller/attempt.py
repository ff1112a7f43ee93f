"""One attempt of a task: what its launch, its monitoring and its deletion have in common."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .cache import Item
from .outputs import collect_outputs
from .rules import check_resource
from .status import PhaseInfo

if TYPE_CHECKING:
    from flyteidl.admin.agent_pb2 import Resource
    from flyteidl.core.literals_pb2 import LiteralMap

    from .outcome import AttemptRecord
    from .story import Story
    from .task import TaskRun
    from .world import World

ABORTED = PhaseInfo(phase="ABORTED", code="Task Aborted", message="aborted", interrupted=True)
HUNG = PhaseInfo(phase="HUNG", interrupted=True)


@dataclasses.dataclass(eq=False, kw_only=True)
class Attempt:
    """
    One attempt.

    Attributes:
        world: The propeller.
        run: The task.
        record: Counted up as calls are made.
        story: Told what happens.
        abort_at_s: When the user aborts, in virtual seconds since the propeller started.
        horizon_s: When the task is called hung.
        item: Its entry in the poll cache.
        failed_rounds: Rounds in a row that failed as a whole.
        outputs: What it made.
    """

    world: World
    run: TaskRun
    record: AttemptRecord
    story: Story
    abort_at_s: float
    horizon_s: float
    item: Item | None = None
    failed_rounds: int = 0
    outputs: LiteralMap | None = None

    def __post_init__(self) -> None:
        self.started_s = self.world.pace.now_s()
        self.timeout_at_s = self.started_s + self.run.attempt_limit_s

    @property
    def whom(self) -> str:
        """Names the attempt to the dice."""
        return f"{self.run.name}/{self.record.number}"

    def hits(self, kind: str) -> bool:
        """Return whether a fault hits it now."""
        return self.world.dice.hits(kind, self.whom)

    def loses_answer(self) -> bool:
        """Return whether the answer that just came gets lost."""
        return self.hits("lost_answer")

    def poll(self, meta: bytes | None) -> Item:
        """Have it polled from now on."""
        item = Item(run=self.run, record=self.record, story=self.story, meta=meta)
        self.item = self.world.cache.add(item)
        return self.item

    def check(self, resource: Resource, *, needs_link: bool) -> None:
        """Write down the rules that an answer breaks."""
        declares = bool(self.run.template.interface.outputs.variables)
        for rule, found in check_resource(
            resource, declares_outputs=declares, needs_link=needs_link
        ):
            self.story.violate(rule, found)

    def settle(self, info: PhaseInfo, resource: Resource) -> PhaseInfo:
        """Take the outputs of a success, which may turn it into a failure, and show the end."""
        if info.phase == "SUCCEEDED":
            info = self._take_outputs(info, resource)
        self.story.show(info)
        return info

    def _take_outputs(self, info: PhaseInfo, resource: Resource) -> PhaseInfo:
        found = collect_outputs(
            self.run.template,
            resource,
            self.record.output_prefix,
            self.world.read_file,
            self.world.settings.max_download_bytes,
        )
        if not isinstance(found, PhaseInfo):
            self.outputs = found
            return info
        if found.code == "OutputsNotFound":
            self.story.violate("outputs-not-found", found.message)
        return dataclasses.replace(found, links=info.links, custom_info=info.custom_info)

    def fail_round(self, rule: str, found: str) -> PhaseInfo | None:
        """Count a round that failed as a whole; after too many of them the workflow is failed."""
        self.failed_rounds += 1
        if self.failed_rounds == 1:
            self.story.violate(rule, found)
        if self.failed_rounds <= self.world.settings.max_workflow_retries:
            return None
        return PhaseInfo(
            phase="FAILED", code="RuntimeExecutionError", message=found, interrupted=True
        )
