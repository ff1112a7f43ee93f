"""
Propeller's cache of polled tasks.

Every ``resync_interval_s`` all tasks are put into a queue, a new one at once; a rate limiter lets them out and a few
workers poll them. Failed polls are counted for the whole life of a task.

Source: https://github.com/flyteorg/flyte/blob/v1.16.8/flytestdlib/cache/in_memory_auto_refresh.go and
https://github.com/flyteorg/flyte/blob/v1.16.8/flyteplugins/go/tasks/pluginmachinery/internal/webapi/cache.go
"""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

from .crashes import CRASH_POINTS
from .errors import CrashError, RpcError
from .item import describe
from .pace import Limiter
from .rules import check_resource
from .status import TERMINAL, phase_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from flyteidl.admin.agent_pb2 import Resource

    from .dice import Dice
    from .item import Item
    from .pace import Pace
    from .settings import Settings
    from .wire import Wire


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
        try:
            await self._die(item)
            resource = await self._wire.get(item.request(), lambda: self._loses(item))
        except CrashError as crash:
            self._drop(item, str(crash))
        except RpcError as error:
            self._failed(item, error)
        else:
            if not item.lost:
                self._answered(item, resource)

    async def _die(self, item: Item) -> None:
        """Die before or during a poll, if that is to be."""
        if self._dice.hits("before-get", item.whom):
            raise CrashError(f"propeller died {CRASH_POINTS['before-get']}")
        if self._dice.hits("during-get", item.whom):
            share = self._dice.draw(f"cancel/{item.whom}/{item.record.polls}")
            within_s = share * self._dice.faults.cancel_within_s
            await self._wire.die_during("GetTask", item.request(), within_s)
            raise CrashError(f"propeller died {CRASH_POINTS['during-get']}")

    def _drop(self, item: Item, fate: str) -> None:
        if not item.lost:
            item.fate = fate
            self.remove(item)
            item.news.set()

    def _loses(self, item: Item) -> bool:
        return self._dice.hits("lost_poll", item.whom)

    def _failed(self, item: Item, error: RpcError) -> None:
        item.failures += 1
        item.error = str(error)
        item.story.tell("get", f"failed, {item.failures} so far: {error}")
        if not error.injected:
            rule = "deadline" if error.code.name == "DEADLINE_EXCEEDED" else "poll-error"
            item.story.violate(rule, str(error))

    def _answered(self, item: Item, resource: Resource) -> None:
        item.story.tell("get", describe(resource), resource)
        self._check(item, resource)
        item.link_seen = item.link_seen or phase_name(resource) != "QUEUED"
        if resource != item.resource:
            item.resource = resource
            item.news.set()

    def _check(self, item: Item, resource: Resource) -> None:
        """Write down the rules that an answer breaks."""
        for rule, found in check_resource(
            resource,
            declares_outputs=bool(item.run.template.interface.outputs.variables),
            needs_link=not item.link_seen and self._settings.expect_links,
        ):
            item.story.violate(rule, found)
        self._check_end(item, phase_name(resource))

    def _check_end(self, item: Item, phase: str) -> None:
        """Hold an answer against the end that was told before: to a propeller that died of it."""
        before = item.record.said
        if phase in TERMINAL:
            if before and phase != before:
                item.story.violate("phase-changed", f"found {phase} after {before}")
            item.record.said = phase
        elif before == "RETRYABLE_FAILED":
            # Whether a job has vanished each replica of a service finds out for itself: that may be taken back.
            item.record.said = ""
        # Otherwise a new process may not see the job for a while, which takes nothing back.
