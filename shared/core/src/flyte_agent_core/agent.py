"""
The bases an agent is written on.

An author says what the agent is in class attributes and writes ``create``, ``get`` and ``delete``
(or ``do``), as coroutines or, for vendor SDKs that block, as plain functions, which then run in
the agent's own threads. The guard of :mod:`flyte_agent_core.guard` is put around them when the
class is made, so it holds in our service, in flytekit's and in a local run.
"""

from __future__ import annotations

import functools
import inspect
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from flyteidl.admin.agent_pb2 import (
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskMetricsResponse,
)
from flyteidl.core.metrics_pb2 import ExecutionMetricResult

from ._flyte import AsyncConnectorBase, SyncConnectorBase
from .attempt import Attempt
from .clock import Clock, SystemClock
from .meta import JobMeta, MetaCodec
from .polls import Memories
from .pool import Pool
from .resource import to_struct
from .sharing import Sharing
from .threads import Threads

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from .flights import Flights
    from .health import Finding
    from .resource import Resource

T = TypeVar("T")
M = TypeVar("M", bound=JobMeta)


class Runtime:
    """What the instances of one agent share: threads, clients, polls seen, creates in flight."""

    def __init__(self, max_threads: int) -> None:
        self.threads = Threads(max_threads)
        self.clients = Pool()
        self.polls = Memories()
        self.sharing = Sharing()
        self._creates: Flights | None = None

    def creates(self, agent: AsyncAgent[Any]) -> Flights:
        """Return the creates in flight."""
        if self._creates is None:
            from . import guard
            from .flights import Flights

            self._creates = Flights(functools.partial(guard.orphaned, agent))
        return self._creates


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
        poll_patience_s: For how long every poll may fail before the task does.
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

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the guard around what the class defines."""
        super().__init_subclass__(**kwargs)
        cls.shares_polls = cls.get_many is not AsyncAgent.get_many
        for name, guarded in _GUARDED_ASYNC.items():
            if name in cls.__dict__:
                setattr(cls, name, guarded(_coroutine(cls.__dict__[name])))

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
        """Return the job's log, a line each."""
        return []


class SyncAgent(_Shared, SyncConnectorBase):
    """
    Base of an agent that is done when it answers.

    Class attributes are those of :class:`AsyncAgent`, as far as they apply.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Put the guard around what the class defines."""
        super().__init_subclass__(**kwargs)
        if "do" in cls.__dict__:
            cls.do = _guarded_do(_coroutine(cls.__dict__["do"]))  # type: ignore[method-assign]  # that is the point

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


def _coroutine(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``fn`` as a coroutine function: a plain one blocks, so it gets a thread."""
    if inspect.iscoroutinefunction(fn):
        return fn

    @functools.wraps(fn)
    async def threaded(self: _Shared, *args: Any) -> Any:
        return await self.blocking(fn, self, *args)

    return threaded


def _attempt(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Attempt:
    """Return the attempt of a call in our form (an attempt) or in flytekit's (keywords)."""
    if args and isinstance(args[0], Attempt):
        return args[0]
    names = ("task_template", "output_prefix", "inputs", "task_execution_metadata")
    call = {
        **dict(zip(names, args, strict=False)),
        **{name: kwargs[name] for name in names if name in kwargs},
    }
    return Attempt.of(**call)


def _guarded_create(raw: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(raw)
    async def create(self: Any, *args: Any, **kwargs: Any) -> Any:
        from . import guard

        attempt = _attempt(args, kwargs)
        return await (raw(self, attempt) if guard.is_inside() else guard.create(self, raw, attempt))

    return create


def _guarded_get(raw: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(raw)
    async def get(self: Any, resource_meta: Any, **_kwargs: Any) -> Any:
        from . import guard

        return await (
            raw(self, resource_meta) if guard.is_inside() else guard.get(self, raw, resource_meta)
        )

    return get


def _guarded_delete(raw: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(raw)
    async def delete(self: Any, resource_meta: Any, **_kwargs: Any) -> Any:
        from . import guard

        return await (
            raw(self, resource_meta)
            if guard.is_inside()
            else guard.delete(self, raw, resource_meta)
        )

    return delete


def _guarded_do(raw: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(raw)
    async def do(self: Any, *args: Any, **kwargs: Any) -> Any:
        from . import guard

        attempt = _attempt(args, kwargs)
        return await (raw(self, attempt) if guard.is_inside() else guard.do(self, raw, attempt))

    return do


def _as_metrics(raw: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(raw)
    async def get_metrics(self: Any, resource_meta: Any, **_kwargs: Any) -> GetTaskMetricsResponse:
        figures = await raw(self, resource_meta) if isinstance(resource_meta, JobMeta) else {}
        results = [
            ExecutionMetricResult(metric=n, data=to_struct({"value": v}))
            for n, v in figures.items()
        ]
        return GetTaskMetricsResponse(results=results)

    return get_metrics


def _as_logs(raw: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(raw)
    async def get_logs(self: Any, resource_meta: Any, **_kwargs: Any) -> GetTaskLogsResponse:
        lines = await raw(self, resource_meta) if isinstance(resource_meta, JobMeta) else []
        return GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=lines))

    return get_logs


_GUARDED_ASYNC: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "create": _guarded_create,
    "get": _guarded_get,
    "delete": _guarded_delete,
    "get_metrics": _as_metrics,
    "get_logs": _as_logs,
}

# Subclasses are wrapped as they are made; what one does not define it inherits from here.
for _name in ("get_metrics", "get_logs"):
    setattr(AsyncAgent, _name, _GUARDED_ASYNC[_name](AsyncAgent.__dict__[_name]))
