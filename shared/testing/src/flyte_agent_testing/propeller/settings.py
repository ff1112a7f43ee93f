"""How the simulated propeller is configured, and what goes wrong in its world."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from .crashes import CRASH_POINTS, SHORTHANDS, check_names

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEADLINES_S: Mapping[str, float] = {"connector-service": 10.0, "agent-service": 3.0}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """
    Propeller's configuration, with the defaults of Flyte v1.16.8, or of v2.0.43 where that differs.

    Attributes:
        flyte: 1 for propeller, 2 for the executor of Flyte 2.
        plugin: ``connector-service``, or the older ``agent-service``, whose calls have 3 s instead of 10.
        default_deadline_s: Seconds an RPC may take (``defaultTimeout``); ``None`` is the plugin's own default.
        timeouts: Seconds by RPC, such as ``{"CreateTask": 60}``; ListAgents goes by ``ListConnectors`` (in
            ``agent-service`` by ``ListAgents``).
        resync_interval_s: Seconds between two polls of a task (``resyncInterval``).
        round_interval_s: Seconds between two looks at a workflow (``workflow-reeval-duration``); what a
            poll found is seen at the next one.
        failed_round_s: Seconds until a round that failed is repeated. Flyte 1 wakes itself by counting the
            failure (the queue's ``base-delay`` is 0), so about one second; Flyte 2 waits for 10.
        max_system_failures: Failed polls in a task's life that are forgiven; the count is never reset.
        max_workflow_retries: Failed rounds of a workflow that are forgiven in Flyte 1, in its whole life.
        max_system_errors: The same in a row for a task in Flyte 2 (``executor.maxSystemFailures``).
        read_qps: Polls per second, sustained.
        burst: Polls that need not wait for that rate.
        workers: Polls at once (``webApi.caching.workers``).
        workflow_workers: Workflows looked at at once; each creates, deletes or runs one task meanwhile.
        restart_s: Seconds until another propeller has taken over after a crash.
        retry_unavailable: Tries that a ``retryPolicy`` on UNAVAILABLE adds; propeller has none unless
            ``defaultServiceConfig`` says so.
        supported_task_types: Task types that are sent to the service even if it does not list them; in
            Flyte 2 the only ones that are.
        watch_s: Seconds between two ListAgents, each over a connection of its own (``pollInterval``, 10 s in
            production); 0 asks only at the start, which makes months in virtual time quick.
        node_timeout_s: Seconds a task may take with all its attempts (``node-active-deadline``); 0 for ever.
        enforces_timeouts: Whether Flyte 2 ends an attempt that runs longer than the task's ``timeout``, as
            its later releases do; v2.0.43 does not.
        gc_interval_s: Seconds between two garbage collections of Flyte 2 (``executor.gc.interval``).
        gc_ttl_s: Seconds that an action of Flyte 2 is kept after its end (``executor.gc.maxTTL``).
        secrets: What Flyte 2 finds under the names in a task's ``custom.secrets``. ``None`` is Flyte 2 as it
            is published, where every such look-up fails.
        metadata_root: Start of every output prefix; a local folder if agents write ``outputs.pb`` there.
        max_receive_bytes: Largest answer propeller takes.
        max_download_bytes: Largest ``outputs.pb`` propeller reads (``storage.limits.maxDownloadMBs``).
        horizon_s: Seconds after which a task is called hung.
        expect_links: Whether an agent without a link in its first answer is a violation.

    Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/plugins/webapi/connector/config.go
    and https://github.com/flyteorg/flyte/blob/v2.0.43/executor/pkg/config/config.go
    """

    flyte: int = 1
    plugin: str = "connector-service"
    default_deadline_s: float | None = None
    timeouts: Mapping[str, float] = dataclasses.field(default_factory=dict)
    resync_interval_s: float = 30.0
    round_interval_s: float = 10.0
    failed_round_s: float | None = None
    max_system_failures: int = 5
    max_workflow_retries: int = 10
    max_system_errors: int = 3
    read_qps: float = 10.0
    burst: int = 100
    workers: int = 10
    workflow_workers: int = 20
    restart_s: float = 15.0
    retry_unavailable: int = 0
    supported_task_types: frozenset[str] = frozenset()
    watch_s: float = 0.0
    node_timeout_s: float = 0.0
    enforces_timeouts: bool = True
    gc_interval_s: float = 1800.0
    gc_ttl_s: float = 3600.0
    secrets: Mapping[str, str] | None = None
    metadata_root: str = "s3://simulated-propeller/metadata"
    max_receive_bytes: int = 4 * 1024 * 1024
    max_download_bytes: int = 2 * 1024 * 1024
    horizon_s: float = 7 * 86_400.0
    expect_links: bool = True

    def __post_init__(self) -> None:
        if self.flyte not in {1, 2}:
            raise ValueError(f"Settings.flyte: found {self.flyte!r}, expected 1 or 2")
        if self.plugin not in _DEADLINES_S:
            known = " or ".join(_DEADLINES_S)
            raise ValueError(f"Settings.plugin: found {self.plugin!r}, expected {known}")

    def deadline_s(self, method: str) -> float:
        """Return the seconds ``method`` may take."""
        if method == "ListAgents" and self.plugin == "connector-service":
            method = "ListConnectors"
        own_s = self.default_deadline_s
        return self.timeouts.get(method, _DEADLINES_S[self.plugin] if own_s is None else own_s)

    @property
    def repeat_s(self) -> float:
        """Seconds until a round that failed is repeated."""
        if self.failed_round_s is not None:
            return self.failed_round_s
        return 1.0 if self.flyte == 1 else 10.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Faults:
    """
    What goes wrong, each as a probability (0 to 1) per opportunity.

    Attributes:
        crashes: Propeller dies at these points; see :data:`CRASH_POINTS`.
        crash_after_create: ``after-create`` (``after-execute``): the same request is sent again.
        crash_during_create: ``during-create``: the call is cancelled, the same request is sent again. When within
            the call is real time, so not repeatable by a seed, unless the loop is a virtual one.
        crash_before_round: ``after-get``.
        repeated_delete: ``after-delete``: DeleteTask is sent again.
        round_lost: What a round did is thrown away after CreateTask (another node failed, the update of the
            workflow conflicted); the same request is sent again, but the first metadata is polled.
        lost_answer: The connection breaks after the service answered CreateTask, DeleteTask or
            ExecuteTaskSync: propeller sees UNAVAILABLE.
        lost_poll: The same for GetTask. Six of these end a task, whatever the agent does.
        lost_list: The same for ListAgents, at ``watch_s``: what was discovered is gone until the next one.
        late_poll: GetTask comes once more after DeleteTask.
        abort: The user aborts the task; per task.
        leadership_change: Another propeller takes over; per resync of the whole propeller.
        whole: Whether a crash takes all tasks of the propeller with it, as it does, or only the one it hit.
        abort_within_s: An abort comes within this many virtual seconds.
        cancel_within_s: A crash during a call comes within this many seconds of it: real ones, or virtual ones
            on a :class:`~flyte_agent_testing.virtual.VirtualLoop`.
        limit: How often each kind may hit one attempt.
    """

    crashes: Mapping[str, float] = dataclasses.field(default_factory=dict)
    crash_after_create: float = 0.0
    crash_during_create: float = 0.0
    crash_before_round: float = 0.0
    repeated_delete: float = 0.0
    round_lost: float = 0.0
    lost_answer: float = 0.0
    lost_poll: float = 0.0
    lost_list: float = 0.0
    late_poll: float = 0.0
    abort: float = 0.0
    leadership_change: float = 0.0
    whole: bool = False
    abort_within_s: float = 120.0
    cancel_within_s: float = 0.02
    limit: int = 2

    def __post_init__(self) -> None:
        check_names(self.crashes)

    def chance(self, kind: str) -> float:
        """Return the probability of a crash point or of one of the other faults."""
        if kind not in CRASH_POINTS:
            return float(getattr(self, kind))
        shorthand = getattr(self, SHORTHANDS[kind]) if kind in SHORTHANDS else 0.0
        return max(self.crashes.get(kind, 0.0), float(shorthand))
