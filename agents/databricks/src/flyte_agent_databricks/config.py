"""
What travels from the task to the agent: the ``custom`` of a ``databricks_job`` task.

The author's side writes a :class:`JobRequest` with :meth:`~JobRequest.to_custom`, the agent reads it with
:func:`parse_custom`. What flytekit's stock plugin registered is read by :mod:`flyte_agent_databricks.config_stock`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from flyte_agent_core import Config
from flyte_agent_core.fields import invalid

from .config_names import check_host, check_secret
from .config_rules import check_submit
from .config_schema import conform

TASK_TYPE = "databricks_job"
"""Task type of this package's tasks."""

STOCK_TASK_TYPE = "databricks"
"""Task type of flytekit's stock plugin for Databricks."""

MAX_ROWS = 1000
"""Rows that a task returns as values unless it says otherwise."""

DEFAULT_TIMEOUT_S = 7 * 86400
"""What a run gets that has no timeout of its own: one that Flyte has lost must end some day."""

PACKAGE, ENTRY_POINT = "flyte_agent_databricks", "run_task"
"""What runs the body of a Python task on Databricks."""

Result = Literal[
    "none",
    "exit_value",
    "rows",
    "row",
    "scalar",
    "sql",
    "dbt",
    "run_job",
    "run_id",
    "values",
    "file",
]
_PARAMETER = re.compile(r"[A-Za-z_]\w*")
_TYPE = re.compile(r"[A-Z_]+(?:\(\s*\d+\s*(?:,\s*\d+\s*)?\))?(?: [A-Z]+)*")


@dataclass
class OutputSource(Config):
    """
    What the declared outputs are made of.

    Attributes:
        kind: ``none``; ``exit_value``, what a notebook gave to ``dbutils.notebook.exit``: JSON, or text for a single
            ``str``; ``rows``, ``row`` and ``scalar`` of a statement's result; ``sql``, of a SQL task of the run the
            address of its result for a ``str``, else its rows, where Databricks still gives them; ``dbt``,
            ``run_results.json`` as a dict, or the address of the artefacts for a
            ``str``; ``run_job``, the id of the run that a run_job task started; ``run_id``, the run's own id;
            ``values``, task values; ``file``, what the body of a Python task writes where Flyte looks.
        task: Key of the task whose output it is; ``""`` for the only one that has such an output.
        values: For ``values``: output name to ``"task_key.value_key"``, what the task gave to
            ``dbutils.jobs.taskValues.set``.
        max_rows: How many rows may come back as values; more are an error.
    """

    kind: Result = "none"
    task: str = ""
    values: dict[str, str] = field(default_factory=dict)
    max_rows: int = MAX_ROWS

    def __post_init__(self) -> None:
        """Refuse what cannot be found in a run."""
        if (self.kind == "values") != bool(self.values):
            raise invalid("outputs.values", self.values, "names for kind 'values' and for no other")
        for name, place in self.values.items():
            if not all(place.partition(".")[::2]):
                raise invalid(f"outputs.values[{name!r}]", place, "'task_key.value_key'")
        if self.max_rows < 1:
            raise invalid("outputs.max_rows", self.max_rows, "a number above 0")


@dataclass
class RunNow(Config):
    """
    A run of a job that the workspace has.

    Attributes:
        job_id: The job's id, as text.
        job_name: Or its name, if only one job has it.
        params: The other fields of ``jobs/run-now``, such as ``job_parameters``; texts may hold ``{inputs.name}``.
    """

    job_id: str = ""
    job_name: str = ""
    params: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what names no job, or two."""
        if bool(self.job_id) == bool(self.job_name):
            found = (self.job_id, self.job_name)
            raise invalid(
                "run_now.job_id, job_name", found, "one of both", "Name the job by id or by name."
            )
        if self.job_id and not (self.job_id.isdigit() and int(self.job_id) < 2**63):
            raise invalid("run_now.job_id", self.job_id, "the number of a job, as text")
        ours = [name for name in ("job_id", "idempotency_token") if name in self.params]
        if ours:
            raise invalid(
                f"run_now.params.{ours[0]}", self.params[ours[0]], "nothing: the agent sets it"
            )
        self.params = conform("run_now.params", {**self.params, "job_id": 0}, "run_now")
        del self.params["job_id"]


@dataclass
class StatementRequest(Config):
    """
    A statement for a SQL warehouse; its text is the task template's SQL.

    Attributes:
        warehouse_id: The warehouse; ``""`` for ``DATABRICKS_WAREHOUSE_ID`` of the service.
        catalog: Where names without a catalog are looked for.
        schema: And without a schema.
        parameters: Name of each ``:parameter``, which is an input's, to its SQL type, such as ``BIGINT``.
        row_limit: Rows after which Databricks cuts the result.
        query_tags: Shown in the warehouse's query history.
    """

    warehouse_id: str = ""
    catalog: str = ""
    schema: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    row_limit: int | None = None
    query_tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parameters that are none."""
        for name, kind in self.parameters.items():
            if not _PARAMETER.fullmatch(name):
                raise invalid("statement.parameters", name, "a name such as 'day'")
            if not _TYPE.fullmatch(kind):
                raise invalid(
                    f"statement.parameters[{name!r}]",
                    kind,
                    "a SQL type such as BIGINT or DECIMAL(10, 2)",
                )
        if self.row_limit is not None and self.row_limit < 1:
            raise invalid("statement.row_limit", self.row_limit, "a number above 0")


@dataclass
class PythonBody(Config):
    """
    The body of a Flyte task; it is the one task of ``submit``, which says on what compute.

    Attributes:
        package: What provides our entry point on the cluster: a requirement of pip, or the path of a wheel in the
            workspace or a volume; ``""`` when the compute has it already.
        env: Environment variables for the process.
        secrets: Environment variables whose values are in a Databricks secret scope: name to ``scope/key``.
        service_credential: Unity Catalog service credential for Flyte's storage; ``""`` for none.
    """

    package: str = ""
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    service_credential: str = ""

    def __post_init__(self) -> None:
        """Refuse references that name no secret."""
        for name, place in self.secrets.items():
            if not all(place.partition("/")[::2]):
                raise invalid(
                    f"python.secrets[{name!r}]", place, "'scope/key' of a Databricks secret"
                )


@dataclass
class JobRequest(Config):
    """
    One run or statement as the task asks for it.

    Attributes:
        version: Of this form.
        host: Workspace, ``https://…``; ``""`` for the service's own. The service says which others may be named.
        credentials: Name of the secret with the credentials; ``""`` for the service's own.
        submit: Body of ``jobs/runs/submit`` 2.2, without token and secrets; ``job_clusters`` are taken too. Texts may
            hold ``{inputs.name}``.
        run_now: Or a run of a job that exists.
        statement: Or a statement for a warehouse.
        python: The body of a Python task, beside ``submit``.
        extra: Merged into the request unchecked: fields that are newer than this version.
        outputs: What the outputs are made of.
        success_with_failures: What a run is whose leaf tasks succeeded, though others failed.
        on_code_failure: Whether Flyte may try again when the code of a task failed; its ``retries`` say how often.
        repair: Whether a Flyte retry repairs the run of the first attempt: tasks that succeeded are not run again.
        timeout_s: When Databricks ends the run by itself; 0 for Flyte's own timeout of the task, and a minute.
    """

    version: int = 1
    host: str = ""
    credentials: str = ""
    submit: dict[str, Any] | None = None
    run_now: RunNow | None = None
    statement: StatementRequest | None = None
    python: PythonBody | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    outputs: OutputSource = field(default_factory=OutputSource)
    success_with_failures: Literal["succeed", "fail"] = "succeed"
    on_code_failure: Literal["retry", "fail"] = "retry"
    repair: bool = True
    timeout_s: int = 0

    def __post_init__(self) -> None:
        """Refuse requests whose parts do not belong together."""
        check_host("host", self.host)
        check_secret("credentials", self.credentials)
        given = [
            name for name in ("submit", "run_now", "statement") if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise invalid(
                "submit, run_now, statement", given, "one of them", "A task does one thing."
            )
        if self.python is not None and self.submit is None:
            raise invalid(
                "python", given[0], "beside 'submit', which says on what compute the body runs"
            )
        if self.timeout_s < 0:
            raise invalid("timeout_s", self.timeout_s, "seconds, or 0")
        if self.submit is not None:
            self.submit = check_submit(self.submit, body=self.python is not None)
        _check_outputs(self)

    @property
    def kind(self) -> Literal["submit", "run_now", "statement"]:
        """What is asked for."""
        if self.statement is not None:
            return "statement"
        return "submit" if self.run_now is None else "run_now"


def _check_outputs(request: JobRequest) -> None:
    kind = request.outputs.kind
    of_statement = kind in ("rows", "row", "scalar")
    if kind != "none" and of_statement != (request.kind == "statement"):
        expected = (
            "rows, row or scalar"
            if request.kind == "statement"
            else "no rows: see 'sql' for SQL tasks"
        )
        raise invalid("outputs.kind", kind, expected)
    if (kind == "file") and request.python is None:
        raise invalid("outputs.kind", kind, "'file' for the body of a Python task only")
    keys = [task["task_key"] for task in (request.submit or {}).get("tasks", ())]
    if kind == "values" and request.submit is None:
        raise invalid(
            "outputs.kind", kind, "'submit': what reads the task values is added to its tasks"
        )
    named = [place.partition(".")[0] for place in request.outputs.values.values()]
    for key in [*named, *([request.outputs.task] if request.outputs.task else [])]:
        if keys and key not in keys:
            raise invalid("outputs.task", key, f"the key of a task: {', '.join(keys)}")


def parse_custom(custom: Mapping[str, Any]) -> JobRequest:
    """
    Return the request of a ``databricks_job`` task.

    Raises:
        InvalidConfig: A field is unknown, or of the wrong type.
    """
    version = custom.get("version", 1)
    if isinstance(version, (int, float)) and version > 1:
        raise invalid(
            "version", version, "1",
            "The task was registered with a newer flyte-agent-databricks than the agent service has: update "
            "the service.",
        )  # fmt: skip
    return JobRequest.from_custom(custom)
