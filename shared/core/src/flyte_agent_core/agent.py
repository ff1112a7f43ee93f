"""
The bases an agent is written on.

An author says what the agent is in class attributes and writes ``create``, ``get`` and ``delete``
(or ``do``), as coroutines or, for vendor SDKs that block, as plain functions, which then run in
the agent's own threads. The guard of :mod:`flyte_agent_core.guard` is put around them when the
class is made, so it holds in our service, in flytekit's and in a local run.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ._flyte import AsyncConnectorBase, SyncConnectorBase
from .attempt import Attempt
from .clock import Clock, SystemClock
from .guard import guarded_create, guarded_delete, guarded_do, guarded_get
from .meta import JobMeta, MetaCodec
from .methods import as_metrics, coroutine, stream_logs
from .runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from .health import Finding
    from .logs import Lines
    from .resource import Resource

T = TypeVar("T")
M = TypeVar("M", bound=JobMeta)


class _Shared:
    """What async and sync agents have in common."""

    name: ClassVar[str]
    task_type: ClassVar[str]
    aliases: ClassVar[tuple[str, ...]] = ()
    stock_module: ClassVar[str] = ""
    max_threads: ClassVar[int] = 32
    usage_figures: ClassVar[Mapping[str, str]] = {}

    runtime: Runtime
    clock: Clock
    served_type: str

    async def check_health(self) -> list[Finding]:
        """
        Look whether a task could run now, with the service's own credentials; nothing by default.

        For ``flyte-agent doctor``: read-only, free of charge, done in about ten seconds. What is
        wrong is a finding that says the repair, not an exception.
        """
        return []

    async def warm_up(self) -> None:
        """
        Get ready for the first task, such as by importing the vendor's SDK; nothing by default.

        A service calls it in the background once it serves. What takes time must not hold up the
        event loop: ``await self.blocking(...)``.
        """

    async def blocking(self, fn: Callable[..., T], *args: Any) -> T:
        """Return ``fn(*args)``, run in a thread; at most ``max_threads`` run at once."""
        return await self.runtime.threads.run(fn, *args)

    def pooled(self, key: Hashable, factory: Callable[[], T]) -> T:
        """Return the client of ``key``, made once by ``factory`` and shared from then on."""
        return self.runtime.clients.get(key, factory)

    def policy_facts(self, attempt: Attempt) -> dict[str, list[str]]:
        """
        Return what the attempt will touch, for the rules of a service: kind of thing → names.

        Optional; a kind the attempt does not touch has an empty list. Names are those of the job
        as it would be made, numbers (``max_bytes``) are text. It must not ask the vendor.

        Raises:
            TaskError: The task is wrong; ``create`` or ``do`` would say the same.
        """
        return {}


class AsyncAgent(_Shared, AsyncConnectorBase, Generic[M]):
    """
    Base of an agent for jobs that run for a while at a vendor's.

    Attributes:
        name: Unique; shown in lists. ``BigQuery Agent``.
        task_type: The Flyte task type served.
        meta_type: The dataclass that finds the job again.
        aliases: Further task types served, such as the one of flytekit's own plugin.
        stock_module: Where that plugin lives; if it is installed, it keeps its types.
        max_threads: Blocking vendor calls at once.
        poll_patience_s: For how long every poll may fail before the task does; its job is then
            stopped.
        poll_fresh_s: For how long an answer of ``get_many`` serves further polls. A service sets it;
            a local run wants to see each change.
        not_found_grace_s: For how long the vendor may not know a job that was created.
        usage_figures: What a job used: a unit (``bytes``, ``usd``, ``tokens``) and the name of the
            number in ``custom_info`` of its last answer; a service adds them up by Flyte project.
        served_type: The Flyte task type this instance serves: ``task_type`` or one of ``aliases``.
    """

    meta_type: ClassVar[type[JobMeta]]
    shares_polls: ClassVar[bool] = False
    poll_patience_s: ClassVar[float] = 900.0
    not_found_grace_s: ClassVar[float] = 60.0
    poll_fresh_s: float = 0.0
    _raw_logs: ClassVar[Callable[..., Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the guard around what the class defines."""
        super().__init_subclass__(**kwargs)
        cls.shares_polls = cls.get_many is not AsyncAgent.get_many
        for name, guarded in _GUARDED_ASYNC.items():
            if name in cls.__dict__:
                setattr(cls, name, guarded(coroutine(cls.__dict__[name])))
        if "get_logs" in cls.__dict__:
            stream_logs(cls)

    def __init__(
        self, task_type: str = "", *, runtime: Runtime | None = None, clock: Clock | None = None
    ) -> None:
        super().__init__(
            metadata_type=MetaCodec(self.meta_type), task_type_name=task_type or self.task_type
        )
        self.served_type = task_type or self.task_type
        self.runtime = runtime or Runtime(self.max_threads)
        self.clock = clock or SystemClock()

    @abstractmethod
    async def create(self, attempt: Attempt) -> M:
        """
        Start the attempt's job, or find the one an earlier call started; return how to find it.

        Raises:
            TaskError: The user must change the task; it fails with the message.
            RetryableError: The same create may pass later; Flyte makes a new attempt.
        """
        raise NotImplementedError

    @abstractmethod
    async def get(self, resource_meta: M) -> Resource:
        """
        Return the job's phase; what raises here becomes the last known phase.

        Raises:
            JobNotFound: The vendor does not know the job.
            AgentError: The job could not be seen this time.
        """
        raise NotImplementedError

    @abstractmethod
    async def delete(self, resource_meta: M) -> None:
        """
        Stop the job and come back when it has stopped; never destroy results.

        Called for finished and unknown jobs too, before and long after the end.
        """
        raise NotImplementedError

    async def get_many(self, resource_metas: Sequence[M]) -> Sequence[Resource | Exception]:
        """
        Return what ``get`` would for each job, in order, with fewer calls of the vendor.

        Optional. Where an agent has it, polls go through it and ``get`` is not called: those that
        arrive together, and other jobs of their group whose answers are older than ``poll_fresh_s``,
        become one call. An exception in the place of an answer concerns that job only.
        """
        raise NotImplementedError

    def poll_group(self, resource_meta: M) -> Hashable:
        """Return what jobs must have in common to be asked for together, such as a credential."""
        return None

    def links(self, resource_meta: M) -> dict[str, str]:
        """Return name and URL of the job's pages, for answers that have none of their own."""
        return {}

    async def undo(self, attempt: Attempt) -> None:
        """Stop what a create that raised may have started; Flyte does not know of it."""

    async def get_metrics(self, resource_meta: M) -> dict[str, Any]:
        """Return the job's figures by name."""
        return {}

    async def get_logs(self, resource_meta: M) -> list[str]:
        """
        Return the job's log, a line each.

        May also be an async generator of lines or of lists of lines: they go to the caller as they
        come, and the generator is closed when the caller goes or has as many as it asked for.
        """
        return []

    def log_lines(self, resource_meta: M) -> Lines:
        """Yield the job's log as it comes, however the agent gives it; what a service reads."""
        from . import logs

        return logs.pieces(self, self._raw_logs, resource_meta)


class SyncAgent(_Shared, SyncConnectorBase):
    """
    Base of an agent that is done when it answers.

    Class attributes are those of :class:`AsyncAgent`, as far as they apply.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the guard around what the class defines."""
        super().__init_subclass__(**kwargs)
        if "do" in cls.__dict__:
            cls.do = guarded_do(coroutine(cls.__dict__["do"]))  # type: ignore[method-assign]  # that is the point

    def __init__(
        self, task_type: str = "", *, runtime: Runtime | None = None, clock: Clock | None = None
    ) -> None:
        super().__init__(task_type_name=task_type or self.task_type)
        self.served_type = task_type or self.task_type
        self.runtime = runtime or Runtime(self.max_threads)
        self.clock = clock or SystemClock()

    @abstractmethod
    async def do(self, attempt: Attempt) -> Resource:
        """
        Do the work and return the terminal result, everything in it.

        Raises:
            TaskError: The user must change the task.
            RetryableError: The same call may pass later.
        """
        raise NotImplementedError


_GUARDED_ASYNC: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "create": guarded_create,
    "get": guarded_get,
    "delete": guarded_delete,
    "get_metrics": as_metrics,
}

# Subclasses are wrapped as they are made; what one does not define it inherits from here.
AsyncAgent.get_metrics = as_metrics(AsyncAgent.get_metrics)  # type: ignore[method-assign]  # as in __init_subclass__
stream_logs(AsyncAgent)
