"""
Looking for what a sensor waits for: one request a poll, nothing kept at BigQuery, nothing that costs money.

A sensor that waits is ``WAITING_FOR_RESOURCES``. Of the phases that go on, Flyte shows the message of this one and of
``INITIALIZING`` only, and the links of this one and of ``RUNNING`` only. It shows the first message of a phase and
drops the rest, so a sensor that cannot look takes the other phase: its reason is news.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from flyte_agent_core import Phase, Resource, TaskError
from flyte_agent_core.outputs import OutputSpec
from flyte_agent_core.polls import Memories

from .calls import Calls
from .links import place_links
from .sensor_state import figures_text, lacking, state_of, time_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flyte_agent_core import AsyncAgent

    from .sensor_meta import Place, SensorMeta
    from .sensor_state import TableState

TIMED_OUT = "BIGQUERY.SENSOR_TIMED_OUT"

# Of a table or routine that is not there BigQuery says "Not found: Table …", which is what sensors are for.
_NO_PLACE = re.compile(r"Not found: (Dataset|Project)")
_FOR_GOOD = frozenset({
    "BIGQUERY.BAD_REQUEST",
    "BIGQUERY.INVALID",
    "BIGQUERY.NOT_IMPLEMENTED",
    "BIGQUERY.NO_ROW_COUNT",
    "BIGQUERY.PARSE_ERROR",
    "BIGQUERY.REQUIRED",
})
"""What does not pass by waiting; a dataset or a permission that is missing may."""


class Sensors:
    """The sensors of an agent: each poll looks afresh, on whatever replica it arrives."""

    def __init__(self, agent: AsyncAgent[Any]) -> None:
        self._agent = agent
        # For how long each sensor could not look; a replica that knows of none starts to count anew.
        self._troubles = Memories()

    async def poll(self, meta: SensorMeta) -> Resource:
        """
        Return phase and message, and at the end the outputs.

        Raises:
            RetryableError: BigQuery did not answer this time.
        """
        return self._answer(meta, await self._look(meta.place))

    async def poll_all(self, metas: Sequence[SensorMeta]) -> list[Resource | Exception]:
        """Return what :meth:`poll` would for each sensor, with one request for all that wait for one table."""
        places = list({meta.place for meta in metas})
        found = await asyncio.gather(*map(self._look, places))
        sights = dict(zip(places, found, strict=True))
        return [self._safely(meta, sights[meta.place]) for meta in metas]

    async def _look(self, place: Place) -> Mapping[str, Any] | Exception | None:
        """Return the REST resource, ``None`` for none, or the error."""
        try:
            return await Calls(self._agent, place.account).look(place)
        except TaskError as error:
            missing = error.code == "BIGQUERY.NOT_FOUND" and not _NO_PLACE.search(str(error))
            return None if missing else error
        except Exception as error:  # noqa: BLE001  # each sensor answers it for itself
            return error

    def _safely(
        self, meta: SensorMeta, sight: Mapping[str, Any] | Exception | None
    ) -> Resource | Exception:
        try:
            return self._answer(meta, sight)
        except Exception as error:  # noqa: BLE001  # it concerns this sensor only
            return error

    def _answer(self, meta: SensorMeta, sight: Mapping[str, Any] | Exception | None) -> Resource:
        try:
            if isinstance(sight, Exception):
                raise sight
            resource = self._judged(meta, state_of(meta, sight))
        except TaskError as error:
            return self._trouble(meta, error)
        self._troubles.of(meta).saw(resource)
        return resource

    def _judged(self, meta: SensorMeta, state: TableState) -> Resource:
        missing = lacking(meta, state)
        if not missing:
            done = dataclasses.replace(state, satisfied=True)
            return _ended(meta, done, f"found {meta.place.text}{figures_text(state)}")
        reason = f"waiting for {meta.place.text}: {missing}"
        if not self._is_over(meta):
            until = time_text(_moment(meta.ends_s))
            return _resource(meta, Phase.WAITING_FOR_RESOURCES, f"{reason} (until {until})", state)
        if meta.report:
            return _ended(meta, state, f"the time is up: {reason}")
        return _resource(meta, Phase.FAILED, f"{_time_is_up(meta)}{reason}", state, TIMED_OUT)

    def _trouble(self, meta: SensorMeta, error: TaskError) -> Resource:
        """Go on for a while: datasets are made and permissions granted, and both take minutes to be known."""
        agent = self._agent
        failing_s = self._troubles.of(meta).failing_for_s(agent.clock.monotonic())
        said = f"cannot look at {meta.place.text}: {error}"
        if error.code in _FOR_GOOD:
            return _resource(meta, Phase.FAILED, said, code=error.code)
        if failing_s >= agent.poll_patience_s:
            return _resource(
                meta,
                Phase.FAILED,
                f"{said}\nIt stayed so for {failing_s / 60:.0f} minutes.",
                code=error.code,
            )
        if self._is_over(meta):
            return _resource(meta, Phase.FAILED, f"{_time_is_up(meta)}{said}", code=TIMED_OUT)
        return _resource(meta, Phase.INITIALIZING, said, code=error.code)

    def _is_over(self, meta: SensorMeta) -> bool:
        return self._agent.clock.time() >= meta.ends_s


def _ended(meta: SensorMeta, state: TableState, message: str) -> Resource:
    resource = _resource(meta, Phase.SUCCEEDED, message, state)
    spec = OutputSpec.decode(meta.outputs)
    if spec.names:
        values = dict.fromkeys(spec.names, dataclasses.asdict(state))
        resource.outputs = spec.literal_map(values)
    return resource


def _resource(
    meta: SensorMeta, phase: Phase, message: str, state: TableState | None = None, code: str = ""
) -> Resource:
    return Resource(
        phase=phase,
        message=message,
        links=place_links(meta.place),
        custom_info=_figures(meta, state),
        error_code=code or None,
    )


def _figures(meta: SensorMeta, state: TableState | None) -> dict[str, Any]:
    found = dataclasses.asdict(state) if state else {"table": meta.place.text}
    known = {name: value for name, value in found.items() if value is not None}
    return {"waits_for": meta.waits_for, **known}


def _time_is_up(meta: SensorMeta) -> str:
    return (
        f"The time is up: {dt.timedelta(seconds=round(meta.wait_s))} have passed. Give the sensor more (timeout_s), "
        "or look why its table is late.\n"
    )


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.timezone.utc)
