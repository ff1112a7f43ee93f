"""The task class that waits: :class:`BigQuerySensor`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import invalid

from .config_author import BigQueryConfig
from .config_fields import check_type
from .config_sensor import KIND, OnTimeout, SensorRequest, check_partition, check_target
from .config_templates import PLACEHOLDER, check_placeholders, table_template
from .sensor_meta import Condition
from .sensor_state import TableState
from .task_base import OUTPUT, BigQueryBaseTask
from .task_request import check_config, name_types

if TYPE_CHECKING:
    from collections.abc import Mapping

_USED = ("project", "credentials", "impersonate")


class BigQuerySensor(BigQueryBaseTask):
    """
    Wait for a table, a partition or a routine; nothing runs and nothing is billed meanwhile.

    ::

        BigQuerySensor(
            name="flights_of_the_day",
            table="travel.flights",
            wait_for="partition",
            partition="{inputs.day:%Y%m%d}",
            config=BigQueryConfig(project="my-project"),
            inputs={"day": date},
            timeout_s=6 * 3600,
        )

    Args:
        name: Name of the task, unique in its Flyte project.
        table: ``project.dataset.table`` or ``dataset.table``.
        wait_for: ``exists``; ``partition``, that it has rows; ``rows``, that there are at least ``min_rows``;
            ``changed``, that the last change is after ``newer_than``; ``streaming_buffer_empty``.
        config: Whose project it is if ``table`` names none, and as whom to look; nothing else applies.
        inputs: Name and type of each input. They are the values of ``{inputs.name}`` in ``table``, ``partition``,
            ``routine`` and ``newer_than``.
        output: ``None``, or :class:`TableState` for the table as it was found.
        partition: Its id, for ``partition``; for ``rows`` and ``changed`` the figures are then those of the partition.
        min_rows: 1 if not given. Rows in the streaming buffer do not count.
        newer_than: A moment, or ``"{inputs.name}"``.
        routine: ``project.dataset.routine`` instead of a table, with ``wait_for="exists"``.
        timeout_s: For how long to wait. If not given, until a little before the task's own ``timeout``, or seven days.
        on_timeout: ``fail``, or ``report`` to succeed with a ``TableState`` that says ``satisfied=False``.
        options: flytekit's own, as for :class:`BigQueryTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking BigQuery.
    """

    def __init__(  # noqa: PLR0913  # each is one thing to wait for or how to wait
        self,
        name: str,
        table: str | None = None,
        wait_for: Condition = "exists",
        config: BigQueryConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: type[TableState] | None = None,
        *,
        partition: str | None = None,
        min_rows: int | None = None,
        newer_than: dt.datetime | str | None = None,
        routine: str | None = None,
        timeout_s: float | None = None,
        on_timeout: OnTimeout = "fail",
        **options: Any,
    ) -> None:
        config = _check_config(f"task {name!r}", config)
        _check_output(output, on_timeout)
        check_type("partition", partition, str | None)
        check_type("min_rows", min_rows, int | None)
        check_type("timeout_s", timeout_s, float | None)
        request = SensorRequest(
            kind=KIND,
            wait_for=wait_for,
            target=_target(table, routine, config.known_project),
            is_routine=routine is not None,
            project=config.known_project,
            partition=None if partition is None else check_partition(partition),
            min_rows=min_rows,
            newer_than=_newer_than(newer_than),
            timeout_s=timeout_s,
            on_timeout=on_timeout,
            parameters=name_types(inputs),
            credentials=config.credentials,
            impersonate=config.chain,
        )
        _check_inputs(request)
        super().__init__(
            name,
            config=config,
            request=request,
            sql="",
            inputs=inputs or {},
            outputs={} if output is None else {OUTPUT: output},
            options=options,
        )


def _check_config(where: str, config: Any) -> BigQueryConfig:
    """Return the configuration if it says nothing about jobs."""
    checked = check_config(where, config)
    plain = BigQueryConfig(project=checked.project)
    for f in dataclasses.fields(checked):
        value = getattr(checked, f.name)
        if f.name not in _USED and value != getattr(plain, f.name):
            raise invalid(
                f"BigQueryConfig.{f.name}", value, f"only {', '.join(_USED)}",
                "A sensor starts no job: give it a configuration of its own.",
            )  # fmt: skip
    return checked


def _check_output(output: Any, on_timeout: str) -> None:
    if output is not None and output is not TableState:
        raise invalid("output", output, "None or TableState")
    if output is None and on_timeout == "report":
        raise invalid("on_timeout", on_timeout, "an output that says so", "Add output=TableState.")


def _target(table: str | None, routine: str | None, project: str | None) -> dict[str, str]:
    given = [(name, text) for name, text in (("table", table), ("routine", routine)) if text]
    if len(given) != 1:
        found = [name for name, _ in given] or None
        raise invalid("table", found, "table='dataset.table' or routine='dataset.routine'")
    name, text = given[0]
    check_type(name, text, str)
    return check_target(table_template(name, text, project))


def _newer_than(given: Any) -> str | None:
    if given is None:
        return None
    if isinstance(given, dt.datetime):
        aware = given if given.tzinfo else given.replace(tzinfo=dt.timezone.utc)
        return aware.isoformat()
    found = PLACEHOLDER.fullmatch(given) if isinstance(given, str) else None
    if found is None or found[2] is not None:
        raise invalid("newer_than", given, "a datetime, or '{inputs.name}' without a format")
    return found[0]


def _check_inputs(request: SensorRequest) -> None:
    """Compare the placeholders with the inputs; the one of ``newer_than`` is a moment, not a part of a name."""
    named = {"target": request.target, "partition": request.partition or ""}
    types = dict(request.parameters)
    moment = PLACEHOLDER.fullmatch(request.newer_than or "")
    if moment is None:
        check_placeholders(named, types)
        return
    name = moment[1]
    kind = types.get(name, {}).get("type")
    if kind not in ("DATE", "DATETIME", "TIMESTAMP"):
        raise invalid(
            "newer_than", moment[0], "an input of type datetime or date", f"It is {kind}."
        )
    used = {
        m[1]
        for text in (*request.target.values(), named["partition"])
        for m in PLACEHOLDER.finditer(str(text))
    }
    check_placeholders(named, {n: t for n, t in types.items() if n != name or n in used})
