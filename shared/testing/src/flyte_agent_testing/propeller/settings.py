"""How the simulated propeller is configured, and what goes wrong in its world."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """
    Propeller's configuration, with the defaults of Flyte v1.16.8.

    Attributes:
        default_deadline_s: Seconds an RPC may take (``defaultTimeout``; the older ``agent-service`` has 3).
        timeouts: Seconds by RPC, such as ``{"CreateTask": 60}``.
        resync_interval_s: Seconds between two polls of a task (``resyncInterval``).
        round_interval_s: Seconds between two looks at a workflow (``workflow-reeval-duration``); what a
            poll found is seen at the next one.
        max_system_failures: Failed polls in a task's life that are forgiven; the count is never reset.
        max_workflow_retries: Rounds in which a workflow may fail before it is given up.
        read_qps: Polls per second, sustained.
        burst: Polls that need not wait for that rate.
        workers: Polls at once (``webApi.caching.workers``).
        workflow_workers: Workflows looked at at once; each creates, deletes or runs one task meanwhile.
        restart_s: Seconds until another propeller has taken over after a crash.
        retry_unavailable: Tries that a ``retryPolicy`` on UNAVAILABLE adds; propeller has none unless
            ``defaultServiceConfig`` says so.
        supported_task_types: Task types that are sent to the service even if it does not list them.
        metadata_root: Start of every output prefix; a local folder if agents write ``outputs.pb`` there.
        max_receive_bytes: Largest answer propeller takes.
        max_download_bytes: Largest ``outputs.pb`` propeller reads (``storage.limits.maxDownloadMBs``).
        horizon_s: Seconds after which a task is called hung.
        expect_links: Whether an agent without a link in its first answer is a violation.

    Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/plugins/webapi/connector/config.go
    """

    default_deadline_s: float = 10.0
    timeouts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    resync_interval_s: float = 30.0
    round_interval_s: float = 10.0
    max_system_failures: int = 5
    max_workflow_retries: int = 10
    read_qps: float = 10.0
    burst: int = 100
    workers: int = 10
    workflow_workers: int = 20
    restart_s: float = 15.0
    retry_unavailable: int = 0
    supported_task_types: frozenset[str] = frozenset()
    metadata_root: str = "s3://simulated-propeller/metadata"
    max_receive_bytes: int = 4 * 1024 * 1024
    max_download_bytes: int = 2 * 1024 * 1024
    horizon_s: float = 7 * 86_400.0
    expect_links: bool = True

    def deadline_s(self, method: str) -> float:
        """Return the seconds ``method`` may take."""
        return self.timeouts.get(method, self.default_deadline_s)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Faults:
    """
    What goes wrong, each as a probability (0 to 1) per opportunity.

    Attributes:
        crash_after_create: Propeller dies after the answer to CreateTask, before its state is stored; its
            successor sends the same request again. The same for ExecuteTaskSync.
        crash_during_create: Propeller dies while CreateTask is under way, which is cancelled; the same
            request is sent again. When within the call is real time, so not repeatable by a seed.
        round_lost: What a round did is thrown away after CreateTask (another node failed, the update of the
            workflow conflicted); the same request is sent again, but the first metadata is polled.
        crash_before_round: Propeller dies after a poll, before its answer is acted upon.
        lost_answer: The connection breaks after the service answered CreateTask, DeleteTask or
            ExecuteTaskSync: propeller sees UNAVAILABLE.
        lost_poll: The same for GetTask. Six of these end a task, whatever the agent does.
        repeated_delete: The round is lost after DeleteTask, which is sent again.
        late_poll: GetTask comes once more after DeleteTask.
        abort: The user aborts the task; per task.
        leadership_change: Another propeller takes over; per resync of the whole propeller.
        abort_within_s: An abort comes within this many virtual seconds.
        cancel_within_s: ``crash_during_create`` cancels within this many real seconds.
        limit: How often each kind may hit one attempt.
    """

    crash_after_create: float = 0.0
    crash_during_create: float = 0.0
    round_lost: float = 0.0
    crash_before_round: float = 0.0
    lost_answer: float = 0.0
    lost_poll: float = 0.0
    repeated_delete: float = 0.0
    late_poll: float = 0.0
    abort: float = 0.0
    leadership_change: float = 0.0
    abort_within_s: float = 120.0
    cancel_within_s: float = 0.02
    limit: int = 2


class Dice:
    """
    Draws that depend on the seed and on what is asked, not on the order in which tasks happen to run.

    Args:
        seed: The same seed gives the same draws.
        faults: The probabilities.
    """

    def __init__(self, seed: int, faults: Faults) -> None:
        self.faults = faults
        self._seed = seed
        self._asked: dict[tuple[str, str], int] = {}
        self._hits: dict[tuple[str, str], int] = {}

    def hits(self, kind: str, whom: str) -> bool:
        """Return whether the fault ``kind`` hits ``whom`` (an attempt, a task) now."""
        chance = float(getattr(self.faults, kind))
        key = (kind, whom)
        if chance <= 0 or self._hits.get(key, 0) >= self.faults.limit:
            return False
        self._asked[key] = self._asked.get(key, 0) + 1
        hit = self.draw(f"{kind}/{whom}/{self._asked[key]}") < chance
        self._hits[key] = self._hits.get(key, 0) + hit
        return hit

    def draw(self, what: str) -> float:
        """Return a number in [0, 1) that belongs to ``what``."""
        digest = hashlib.blake2b(f"{self._seed}/{what}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64
