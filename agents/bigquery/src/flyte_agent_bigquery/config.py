"""
What travels from the task to the agent: the ``custom`` of a ``bigquery_job`` task.

The author's side writes a :class:`JobRequest` with :meth:`~JobRequest.to_custom`, the agent reads
it with :func:`parse_custom`; :func:`parse_stock` reads what flytekit's stock plugin registered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flyte_agent_core import Config
from flyte_agent_core.fields import did_you_mean, invalid

from .checks_rules import CheckRule
from .config_fields import strict
from .types_literal import interface_types

if TYPE_CHECKING:
    from flyteidl.core.interface_pb2 import TypedInterface

TASK_TYPE = "bigquery_job"
"""Task type of this package's tasks."""

STOCK_TASK_TYPE = "bigquery_query_job_task"
"""Task type of flytekit's stock BigQuery plugin."""

USD_PER_TIB = 6.25
"""On-demand price of a TiB read, in the regions US and EU; https://cloud.google.com/bigquery/pricing"""

MAX_ROWS = 1000
"""Rows that a task returns as values unless it says otherwise."""

JOB_KINDS = ("query", "load", "extract", "copy")
"""Parts of a REST ``JobConfiguration`` of which a job has exactly one."""

JOB_FIELDS = (*JOB_KINDS, "labels", "jobTimeoutMs", "maxSlots", "reservation", "jobType", "dryRun")
"""Every field of a REST ``JobConfiguration``."""


@strict()
@dataclass
class CostGuard(Config):
    """
    What a query may cost, found out by a dry run before it starts.

    Attributes:
        max_bytes: Bytes the query may read.
        max_usd: US dollars it may cost.
        usd_per_tib: On-demand price of a TiB in the job's region.
        action: ``fail`` refuses the query, and BigQuery stops it if the estimate was too low;
            ``warn`` runs it and says so in the task's message.
    """

    max_bytes: int | None = None
    max_usd: float | None = None
    usd_per_tib: float = USD_PER_TIB
    action: Literal["fail", "warn"] = "fail"

    def __post_init__(self) -> None:
        """Refuse limits that cannot be kept."""
        for name in ("max_bytes", "max_usd", "usd_per_tib"):
            limit = getattr(self, name)
            if limit is not None and not limit > 0:
                raise invalid(f"CostGuard.{name}", limit, "a number above 0")
        if self.max_bytes is None and self.max_usd is None:
            raise invalid("CostGuard", None, "max_bytes or max_usd", "Say which limit holds.")


@dataclass
class JobRequest(Config):
    """
    One job as the task asks for it.

    Attributes:
        kind: Which part of ``configuration`` says what to do; ``check`` is a query whose rows are
            judged by ``checks``.
        project: Project that runs and pays for the job; ``None`` for the agent service's own.
        location: Region; ``None`` lets BigQuery find it from the tables.
        configuration: REST ``JobConfiguration`` without the SQL text and the task's inputs; see
            :func:`flyte_agent_bigquery.parameters_job.job_configuration` for the whole.
        parameters: REST ``QueryParameterType`` of every input.
        parameter_order: Names of the inputs in the order of the query's ``?``.
        result: How the output is made: nothing, the destination table, a list of rows, the one
            row, or the one value of the one row.
        max_rows: How many rows may come back as values; more are an error.
        cost: Limit on what a query may cost.
        credentials: Name of the secret with the key or external-account file to use.
        impersonate: Service accounts to act as, the last one being whose rights the job has.
        checks: How the rows of a ``check`` are judged, in order.
        on_failure: Whether a failed check makes the task fail, or is only reported.
    """

    kind: Literal["query", "load", "extract", "copy", "check"] = "query"
    project: str | None = None
    location: str | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    parameter_order: list[str] = field(default_factory=list)
    parameter_mode: Literal["NAMED", "POSITIONAL"] = "NAMED"
    result: Literal["none", "dataset", "rows", "row", "scalar"] = "none"
    max_rows: int = MAX_ROWS
    cost: CostGuard | None = None
    credentials: str | None = None
    impersonate: list[str] | None = None
    checks: list[CheckRule] = field(default_factory=list)
    on_failure: Literal["fail", "report"] = "fail"

    def __post_init__(self) -> None:
        """Refuse requests whose parts do not belong together."""
        check_job("configuration", self.configuration, self.part)
        if sorted(self.parameter_order) != sorted(self.parameters):
            raise invalid(
                "parameter_order", self.parameter_order, f"the names {sorted(self.parameters)}"
            )
        if (self.kind == "check") != bool(self.checks):
            raise invalid("checks", len(self.checks), "checks for kind 'check' and for no other")

    @property
    def part(self) -> str:
        """Name of the job's own part of ``configuration``."""
        return "query" if self.kind == "check" else self.kind

    @property
    def is_query(self) -> bool:
        """Whether the job runs SQL."""
        return self.part == "query"


def check_job(where: str, configuration: Mapping[str, Any], part: str) -> None:
    """
    Raise if ``configuration`` is not a REST ``JobConfiguration`` for a ``part`` job.

    Raises:
        InvalidConfig: An unknown field, another kind of job, or a dry run.
    """
    for name in configuration:
        if name not in JOB_FIELDS:
            raise invalid(
                where, name, f"one of {', '.join(JOB_FIELDS)}", did_you_mean(name, JOB_FIELDS)
            )
    kinds = [name for name in JOB_KINDS if configuration.get(name) is not None]
    if any(kind != part for kind in kinds):
        raise invalid(where, kinds, f"{part!r} and no other kind of job", "A job does one thing.")
    if configuration.get("dryRun"):
        raise invalid(
            f"{where}.dryRun",
            configuration["dryRun"],
            "a job that runs",
            "For a limit on what the query may read use cost=CostGuard(...), which makes a dry run first.",
        )


def parse_custom(custom: Mapping[str, Any]) -> JobRequest:
    """
    Return the request of a ``bigquery_job`` task.

    Raises:
        InvalidConfig: A field is unknown, or of the wrong type.
    """
    return JobRequest.from_custom(custom)


def parse_stock(custom: Mapping[str, Any], interface: TypedInterface) -> JobRequest:
    """
    Return the request of a task that flytekit's stock plugin registered.

    Its ``custom`` holds ``ProjectID``, ``Location``, ``Domain`` and, beside them, the query part
    of the author's ``QueryJobConfig``, which is honoured here. The destination becomes the output
    if the task declares one.

    Raises:
        InvalidConfig: An input has a type that BigQuery has no value for.
    """
    own = ("ProjectID", "Location", "Domain", "query")
    query = {name: value for name, value in custom.items() if name not in own and value is not None}
    types = interface_types(interface.inputs.variables)
    return JobRequest(
        project=custom.get("ProjectID") or None,
        location=custom.get("Location") or None,
        configuration={"query": {"useLegacySql": False, **query}},
        parameters=types,
        parameter_order=sorted(types),
        result="dataset" if interface.outputs.variables else "none",
    )
