"""
Propeller's cache of polled tasks.

Every ``resync_interval_s`` all tasks are put into a queue, a new one at once; a rate limiter lets them out and a few
workers poll them. Failed polls are counted for the whole life of a task.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flytestdlib/cache/in_memory_auto_refresh.go and
https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/pluginmachinery/internal/webapi/cache.go
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
from typing import TYPE_CHECKING

from .pace import Limiter
from .rules import check_resource
from .status import TERMINAL_FOR_CACHE, phase_name
from .wire import CrashError, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyteidl.admin.agent_pb2 import Resource

    from .outcome import AttemptRecord
    from .pace import Pace
    from .settings import Dice, Settings
    from .story import Story
    from .task import TaskRun
    from .wire import Wire


@dataclasses.dataclass(eq=False, kw_only=True)
class Item:
    """
    A task being polled.

    Attributes:
        run: The task.
        record: Its attempt.
        story: What happened to it.
        meta: Metadata of its job; ``None`` for a synchronous task, which must never get here.
        resource: The last answer.
        failures: Failed polls so far.
        error: The last failure.
        given_up: Whether it had too many of them and is not polled any more.
        lost: Whether this propeller is gone.
        news: Set when there is something to look at.
    """

    run: TaskRun
    record: AttemptRecord
    story: Story
    meta: bytes | None
    resource: Resource | None = None
    failures: int = 0
    error: str = ""
    given_up: bool = False
    lost: bool = False
    queued: bool = False
    link_seen: bool = False
    bug: Exception | None = None
    news: asyncio.Event = dataclasses.field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """Whether it is not polled any more."""
        ended = self.resource is not None and self.resource.phase in TERMINAL_FOR_CACHE
        return self.lost or self.given_up or ended

    @property
    def is_stuck(self) -> bool:
        """Whether it is not polled any more although it did not end."""
        return self.meta is None or (self.given_up and self.resource is not None)


class PollCache:
    """
    Polls tasks as propeller does.

    Args:
        wire: The client.
        pace: The clock.
        settings: Intervals and limits.
        dice: What goes wrong.
        change_leader: Called when another propeller takes over.
    """

    def __init__(
        self,
        wire: Wire,
        pace: Pace,
        settings: Settings,
        dice: Dice,
        change_leader: Callable[[], None],
    ) -> None:
        self._wire, self._pace, self._settings, self._dice = wire, pace, settings, dice
        self._change_leader = change_leader
        self._limiter = Limiter(settings.read_qps, settings.burst)
        self._workers = asyncio.Semaphore(settings.workers)
        self.workers_left = settings.workers
        self._items: dict[str, Item] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._resyncing: asyncio.Task[None] | None = None

    def add(self, item: Item) -> Item:
        """Poll a task from now on; if its attempt is in the cache already that entry stays and is returned."""
        key = item.record.output_prefix
        if key in self._items:
            return self._items[key]
        self._items[key] = item
        self._enqueue(item)
        if self._resyncing is None or self._resyncing.done():
            self._resyncing = asyncio.ensure_future(self._resync())
        return item

    def remove(self, item: Item) -> None:
        """Poll a task no more."""
        item.lost = True
        self._items.pop(item.record.output_prefix, None)

    def clear(self) -> None:
        """Forget everything, as a process that dies does."""
        for item in tuple(self._items.values()):
            self.remove(item)
            item.news.set()
        self._workers = asyncio.Semaphore(self._settings.workers)
        self.workers_left = self._settings.workers
        self._limiter = Limiter(self._settings.read_qps, self._settings.burst)

    async def close(self) -> None:
        """End all polling."""
        tasks = [*self._tasks, *([self._resyncing] if self._resyncing else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _resync(self) -> None:
        interval_s = self._settings.resync_interval_s
        while self._items:
            ticks = math.floor(self._pace.now_s() / interval_s + 1e-9) + 1
            await self._pace.sleep_until(ticks * interval_s)
            if self._dice.hits("leadership_change", f"propeller/{ticks}"):
                self._change_leader()
            for item in self._items.values():
                if not item.queued and not item.is_over:
                    self._enqueue(item)

    def _enqueue(self, item: Item) -> None:
        item.queued = True
        delay_s = self._limiter.reserve(self._pace.now_s())
        task = asyncio.ensure_future(self._poll_after(delay_s, item))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _poll_after(self, delay_s: float, item: Item) -> None:
        if delay_s:
            await self._pace.sleep(delay_s)
        workers = self._workers
        await workers.acquire()
        item.queued = False
        if not item.is_over and item.meta is None:
            self._kill_worker(item)
            return  # the worker never comes back
        try:
            if not item.is_over:
                await self._sync(item)
        except Exception as bug:  # noqa: BLE001  # the task it belongs to raises it
            item.bug = bug
            item.news.set()
        finally:
            workers.release()

    def _kill_worker(self, item: Item) -> None:
        self.workers_left -= 1
        item.given_up = True
        item.story.tell("fault", f"a polling worker died, {self.workers_left} left")
        for other in self._items.values():  # each must find out whether it is still polled
            other.news.set()

    async def _sync(self, item: Item) -> None:
        if item.failures > self._settings.max_system_failures:
            item.given_up = True
            item.story.tell("get", f"not sent any more: {item.failures} polls have failed")
            item.news.set()
            return
        item.record.polls += 1
        request = item.run.get_request(item.meta or b"", item.record.output_prefix)
        try:
            resource = await self._wire.get(request, lambda: self._loses(item))
        except CrashError:
            return
        except RpcError as error:
            self._failed(item, error)
        else:
            if not item.lost:
                self._answered(item, resource)

    def _loses(self, item: Item) -> bool:
        return self._dice.hits("lost_poll", f"{item.run.name}/{item.record.number}")

    def _failed(self, item: Item, error: RpcError) -> None:
        item.failures += 1
        item.error = str(error)
        item.story.tell("get", f"failed, {item.failures} so far: {error}")
        if not error.injected:
            rule = "deadline" if error.code.name == "DEADLINE_EXCEEDED" else "poll-error"
            item.story.violate(rule, str(error))

    def _answered(self, item: Item, resource: Resource) -> None:
        item.story.tell("get", describe(resource), resource)
        needs_link = not item.link_seen and self._settings.expect_links
        for rule, found in check_resource(
            resource,
            declares_outputs=bool(item.run.template.interface.outputs.variables),
            needs_link=needs_link,
        ):
            item.story.violate(rule, found)
        item.link_seen = item.link_seen or phase_name(resource) != "QUEUED"
        if resource != item.resource:
            item.resource = resource
            item.news.set()


def describe(resource: Resource) -> str:
    """Return an answer in one line."""
    message = resource.message.replace("\n", " ")
    shown = f" {message[:200]!r}" if message else ""
    links = (
        f" links: {', '.join(link.name for link in resource.log_links)}"
        if resource.log_links
        else ""
    )
    outputs = " with outputs" if resource.HasField("outputs") else ""
    return f"{phase_name(resource)}{shown}{links}{outputs}"
