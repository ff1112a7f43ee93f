"""The task classes of a workflow author: jobs of every kind, and SQL statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import invalid

from .config import MAX_ROWS, StatementRequest
from .task_base import DatabricksBaseTask, check_config
from .task_kinds import ExistingJob
from .task_outputs import OUTPUT, declared, of_statement, source_of
from .task_request import RUN_NOW_FIELDS, Job, input_kinds, run_now_of, steps_of, submit_of
from .task_sql import check_text, parameters_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .task_config import DatabricksConfig
    from .task_outputs import TaskValue

__all__ = ["DatabricksSQLTask", "DatabricksTask"]


class DatabricksTask(DatabricksBaseTask):
    """
    Run a job: work of one kind, several steps, or a job that the workspace has.

    ::

        DatabricksTask(
            name="train",
            job=Notebook("/Workspace/Shared/train", parameters={"day": "{inputs.day}"}),
            config=DatabricksConfig(compute=NewCluster("16.4.x-scala2.12", "m6i.xlarge", 2)),
            inputs={"day": date},
            output=Score,  # a dataclass, from what the notebook gave to dbutils.notebook.exit
        )

    Args:
        name: Name of the task, unique in its Flyte project.
        job: A :class:`Notebook`, :class:`PythonFile`, :class:`PythonWheel` or other work; a list of
            :class:`Step`; an :class:`ExistingJob`; or the body of ``jobs/runs/submit``, or one task of
            it, as a dict.
        config: Where and how it runs.
        inputs: Name and type of each input, for ``{inputs.name}`` in the texts of the job.
        output: Type of the output, ``results``; see the README for what each kind of work gives.
        output_from: Key of the step whose output it is, where several have one; ``RUN_ID`` for the
            id of the run.
        task_values: Several outputs instead: name to ``TaskValue("step.key", type)``.
        max_rows: More rows than this are refused as values.
        options: flytekit's own: ``metadata=TaskMetadata(...)`` or its fields (``retries``,
            ``timeout``, ``cache``, ``cache_version``…), ``environment``, ``docs``.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking Databricks.
    """

    def __init__(
        self,
        name: str,
        job: Job,
        config: DatabricksConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = None,
        *,
        output_from: str | None = None,
        task_values: Mapping[str, TaskValue] | None = None,
        max_rows: int = MAX_ROWS,
        **options: Any,
    ) -> None:
        config = check_config(f"task {name!r}", config)
        kinds = input_kinds(inputs)
        outputs = source_of(output, output_from, task_values, steps_of(job), check_rows(max_rows))
        if isinstance(job, ExistingJob):
            _check_unused(config, RUN_NOW_FIELDS)
            request = config.request(run_now=run_now_of(job, config, kinds), outputs=outputs)
        else:
            request = config.request(submit=submit_of(job, config, kinds), outputs=outputs)
        super().__init__(
            name,
            config=config,
            request=request,
            inputs=inputs or {},
            outputs=declared(output, task_values),
            options=options,
        )


class DatabricksSQLTask(DatabricksBaseTask):
    """
    Run a statement on a SQL warehouse.

    ::

        DatabricksSQLTask(
            name="late_flights",
            query="SELECT carrier, COUNT(*) AS n FROM flights WHERE dep_delay > :minutes GROUP BY 1",
            warehouse_id="1234567890abcdef",
            inputs={"minutes": int},
            output=list[CarrierCount],
        )

    Args:
        name: Name of the task, unique in its Flyte project.
        query: The SQL, sent as it is, comments and all. Inputs are its parameters: ``:name``.
        config: Workspace and credentials.
        inputs: Name and type of each input; see the README for the types.
        output: ``None``; a dataclass for the one row; ``list[dataclass]`` for the rows; ``list[T]``
            for the first column; any other type for the one value. ``Optional`` allows for no row.
        warehouse_id: The warehouse; that of the agent service if not given.
        catalog: Where names without a catalog are looked for.
        schema: And without a schema.
        max_rows: More rows than this are refused as values.
        query_tags: Shown in the warehouse's query history, beside those of Flyte's identity.
        options: flytekit's own, as for :class:`DatabricksTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking Databricks.
    """

    def __init__(  # noqa: PLR0913  # each is a word of the API or of flytekit
        self,
        name: str,
        query: str,
        config: DatabricksConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = None,
        *,
        warehouse_id: str = "",
        catalog: str = "",
        schema: str = "",
        max_rows: int = MAX_ROWS,
        query_tags: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        config = check_config(f"task {name!r}", config)
        _check_unused(config)
        sql = check_text(query)
        statement = StatementRequest(
            warehouse_id=_text("warehouse_id", warehouse_id),
            catalog=_text("catalog", catalog),
            schema=_text("schema", schema),
            parameters=parameters_of(sql, inputs or {}),
            query_tags=dict(query_tags or {}),
        )
        super().__init__(
            name,
            config=config,
            request=config.request(
                statement=statement, outputs=of_statement(output, check_rows(max_rows))
            ),
            sql=sql,
            inputs=inputs or {},
            outputs={} if output is None else {OUTPUT: output},
            options=options,
        )


def check_rows(max_rows: Any) -> int:
    """
    Return ``max_rows``.

    Raises:
        InvalidConfig: It is not a number of rows.
    """
    if isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 1:
        raise invalid("max_rows", max_rows, f"a whole number above 0; {MAX_ROWS} if not given")
    return max_rows


def _check_unused(config: DatabricksConfig, used: tuple[str, ...] = ()) -> None:
    """Refuse what would be lost: it is said of runs that a task describes itself."""
    more = {n: getattr(config, n) for n in ("run_name", "compute", "libraries")}
    for name, value in {**config.run(), **more}.items():
        if value and name not in used:
            raise invalid(
                f"DatabricksConfig.{name}", value, "it for a job that the task describes itself only",
                "A statement, and a job that the workspace has, take no such field.",
            )  # fmt: skip


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise invalid(where, value, "text")
    return value
