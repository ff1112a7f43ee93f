"""
From a look to Flyte's phases.

A sensor that waits is ``WAITING_FOR_RESOURCES``, one that cannot look is ``INITIALIZING``: Flyte
shows the first message of each of these phases, and the change of phase makes the reason news.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

from flyte_agent_core import Resource, TaskError
from flyte_agent_core.polls import Memories

from .cost import usd_per_month
from .feed import Feeds
from .intervals import Looks, is_due
from .links import links_of, name_of
from .looking import Eyes, Look
from .meta import request_of
from .objects import size_text, time_text
from .outputs import literal_map
from .phases import PHASES, SATISFIED, TIMED_OUT, UNSEEN, WAITING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flyte_agent_core import AsyncAgent

    from .conditions import Verdict
    from .meta import S3SensorMeta

TIMED_OUT_CODE = "S3.SENSOR_TIMED_OUT"

_FOR_GOOD = frozenset({
    "AGENT.OUTPUT_TYPE",
    "S3.INVALID_ARGUMENT",
    "S3.INVALID_BUCKET_NAME",
    "S3.INVALID_URI",
    "S3.KEY_TOO_LONG_ERROR",
    "S3.NOT_IMPLEMENTED",
    "S3.PARAM_VALIDATION_ERROR",
    "S3.TOO_MANY_KEYS",
    "S3.UNSUPPORTED_S3_ARN_ERROR",
    "S3.XMINIO_INVALID_OBJECT_NAME",
})  # fmt: skip
"""What does not pass by waiting; a bucket or a permission that is missing may."""


class _About(NamedTuple):
    """What every answer about the same sensor says."""

    name: str
    links: dict[str, str]
    usd_per_month: float


@functools.lru_cache(maxsize=20_000)
def _about(watch: str) -> _About:
    request = request_of(watch)
    return _About(name_of(request), links_of(request), round(usd_per_month(request), 6))


class Sensors:
    """The sensors of an agent: each look is afresh, on whatever replica it is asked for."""

    def __init__(self, agent: AsyncAgent[S3SensorMeta]) -> None:
        self._agent = agent
        self._eyes = Eyes(agent)
        self._looks = Looks()
        self._feeds = Feeds(agent)
        # For how long each sensor could not look; a replica that knows of none starts to count anew.
        self._troubles = Memories()

    async def poll_all(self, metas: Sequence[S3SensorMeta]) -> list[Resource | Exception]:
        """Return the answer of each sensor of one group, with as few requests as they need together."""
        await self._feeds.drain(metas)
        now_s = self._agent.clock.time()
        due = [meta for meta in metas if self._is_due(meta, now_s)]
        answers = dict(zip(map(id, due), await self._look(due), strict=True))
        await self._feeds.settle(due)
        return [
            answers[id(meta)] if id(meta) in answers else self._remembered(meta) for meta in metas
        ]

    def _is_due(self, meta: S3SensorMeta, now_s: float) -> bool:
        last = self._looks.of(meta)
        return is_due(meta, last, now_s) or self._feeds.has_news(meta, last.looked_s)

    def _remembered(self, meta: S3SensorMeta) -> Resource:
        answer = self._looks.of(meta).answer
        if answer is None:  # is_due() says so
            raise AssertionError("a sensor that has not looked yet is due")
        return dataclasses.replace(answer)

    async def _look(self, metas: Sequence[S3SensorMeta]) -> list[Resource | Exception]:
        if not metas:
            return []
        look = Look(self._eyes, metas[0])
        await look.list_for([meta.request for meta in metas])
        if len(metas) == 1:  # as for most keys; tasks of their own would be a part of the work
            answers = [await self._one(metas[0], look)]
        else:
            answers = list(await asyncio.gather(*(self._one(meta, look) for meta in metas)))
        for meta, answer in zip(metas, answers, strict=True):
            last = self._looks.of(meta)
            last.looked_s, last.looks = look.now_s, last.looks + 1
            last.usd += look.usd / len(metas)
            last.requests += (look.heads + look.lists) / len(metas)
            last.answer = None if isinstance(answer, Exception) else answer
            if last.answer is not None and last.answer.custom_info is not None:
                last.answer.custom_info |= _spent(last.looks, last.requests, last.usd)
        return answers

    async def _one(self, meta: S3SensorMeta, look: Look) -> Resource | Exception:
        try:
            return self._answer(meta, await look.verdict(meta.request))
        except TaskError as error:
            return self._trouble(meta, error)
        except Exception as error:  # noqa: BLE001  # it concerns this sensor only
            return error

    def _answer(self, meta: S3SensorMeta, verdict: Verdict) -> Resource:
        self._troubles.of(meta).saw(_resource(meta, WAITING, ""))
        if not verdict.missing:
            return _satisfied(meta, verdict)
        reason = f"waiting for {_about(meta.watch).name}: {verdict.missing}"
        if not self._is_over(meta):
            problem = self._feeds.problem(meta)
            events = f"; no events: {problem}" if problem else ""
            said = f"{reason} (until {time_text(meta.ends_s)}{events})"
            return _resource(meta, WAITING, said, verdict=verdict)
        if meta.request.on_timeout == "report":
            said = f"the time is up: {reason}"
            answer = _resource(meta, SATISFIED, said, verdict=verdict)
            answer.outputs = literal_map(meta, verdict.objects, verdict.missing)
            return answer
        return _resource(meta, TIMED_OUT, f"{_time_is_up(meta)}{reason}", TIMED_OUT_CODE, verdict)

    def _trouble(self, meta: S3SensorMeta, error: TaskError) -> Resource:
        """Go on for a while: buckets are made and permissions granted, and both take minutes to be known."""
        memory = self._troubles.of(meta)
        failing_s = memory.failing_for_s(self._agent.clock.monotonic())
        said = f"cannot look at {_about(meta.watch).name}: {error}"
        if error.code in _FOR_GOOD:
            return _resource(meta, TIMED_OUT, said, error.code)
        if failing_s >= meta.request.patience_s:
            said += f"\nIt stayed so for {failing_s / 60:.0f} minutes."
            return _resource(meta, TIMED_OUT, said, error.code)
        if self._is_over(meta):
            return _resource(meta, TIMED_OUT, f"{_time_is_up(meta)}{said}", TIMED_OUT_CODE)
        return _resource(meta, UNSEEN, said, error.code)

    def _is_over(self, meta: S3SensorMeta) -> bool:
        return self._agent.clock.time() >= meta.ends_s


def _satisfied(meta: S3SensorMeta, verdict: Verdict) -> Resource:
    total = sum(seen.size_bytes for seen in verdict.objects)
    said = f"found {_about(meta.watch).name}: {len(verdict.objects):,} objects, {size_text(total)}"
    if meta.request.wait_for == "deleted":
        said = f"gone: {_about(meta.watch).name}"
    resource = _resource(meta, SATISFIED, said, verdict=verdict)
    resource.outputs = literal_map(meta, verdict.objects)
    return resource


def _resource(
    meta: S3SensorMeta, state: str, message: str, code: str = "", verdict: Verdict | None = None
) -> Resource:
    return Resource(
        phase=PHASES(state),
        message=message,
        links=_about(meta.watch).links,
        custom_info=_figures(meta, state, verdict),
        error_code=code or None,
    )


def _figures(meta: S3SensorMeta, state: str, verdict: Verdict | None) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "waits_for": f"{_about(meta.watch).name} {meta.request.wait_for}",
        "state": state,
        "usd_per_month": _about(meta.watch).usd_per_month,
    }
    if verdict is not None:
        figures["objects"] = len(verdict.objects)
        figures["bytes"] = sum(seen.size_bytes for seen in verdict.objects)
    return figures


def _spent(looks: int, requests: float, usd: float) -> dict[str, Any]:
    return {
        "looks": looks,
        "requests": round(requests, 3),
        "estimated_cost_usd": round(usd, 9),
    }


def _time_is_up(meta: S3SensorMeta) -> str:
    return (
        f"The time is up: {dt.timedelta(seconds=round(meta.wait_s))} have passed. Give the sensor more (timeout_s), "
        "or look why what it waits for is late.\n"
    )
