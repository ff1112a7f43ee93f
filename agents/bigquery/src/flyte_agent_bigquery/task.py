"""The task classes of a workflow author: queries, other jobs, and data-quality checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from flyte_agent_core.fields import invalid

from .checks_rules import CheckReport
from .checks_sql import compile_checks
from .config import MAX_ROWS
from .task_base import OUTPUT, BigQueryBaseTask
from .task_checks import flat_checks, placed_check
from .task_request import (
    check_config,
    check_job_output,
    check_rows,
    either,
    job_of,
    job_request,
    query_request,
    result_of,
)
from .task_sql import check_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .checks_sql import Check
    from .config_author import BigQueryConfig
    from .config_jobs import JobConfig

__all__ = ["BigQueryCheckTask", "BigQueryJobTask", "BigQueryTask"]


class BigQueryTask(BigQueryBaseTask):
    """
    Run a query, or a script of several statements.

    ::

        BigQueryTask(
            name="late_flights",
            query="SELECT carrier, COUNT(*) AS n FROM travel.flights WHERE dep_delay > @minutes GROUP BY 1",
            config=BigQueryConfig(project="my-project"),
            inputs={"minutes": int},
            output=list[CarrierCount],
        )

    Args:
        name: Name of the task, unique in its Flyte project.
        query: The SQL, sent as it is, comments and all. Inputs are its parameters: ``@name``, or
            ``?`` in the order of ``inputs``.
        config: Where and how it runs.
        inputs: Name and type of each input; see the README for the types.
        output: ``None``; ``StructuredDataset`` for the table of the result; a dataclass for its one
            row; ``list[dataclass]`` for its rows; ``list[T]`` for its first column; any other type
            for its one value. ``Optional`` allows for no row.
        max_rows: More rows than this are refused as values.
        query_template: ``query``, as flytekit's stock plugin calls it; so are ``task_config`` for
            ``config`` and ``output_structured_dataset_type`` for ``output``.
        options: flytekit's own: ``metadata=TaskMetadata(...)`` or its fields (``retries``,
            ``timeout``, ``cache``, ``cache_version``…), ``environment``, ``docs``.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking BigQuery.
    """

    def __init__(  # noqa: PLR0913  # the last three are the stock plugin's names of the others
        self,
        name: str,
        query: str | None = None,
        config: BigQueryConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = None,
        *,
        max_rows: int = MAX_ROWS,
        query_template: str | None = None,
        task_config: BigQueryConfig | None = None,
        output_structured_dataset_type: Any = None,
        **options: Any,
    ) -> None:
        sql = check_text(either("query", query, "query_template", query_template))
        where = f"task {name!r}"
        config = check_config(where, either("config", config, "task_config", task_config))
        output = either(
            "output", output, "output_structured_dataset_type", output_structured_dataset_type
        )
        super().__init__(
            name,
            config=config,
            request=query_request(
                config,
                sql,
                inputs,
                result=result_of(output, "output"),
                max_rows=check_rows(max_rows),
            ),
            sql=sql,
            inputs=inputs or {},
            outputs={} if output is None else {OUTPUT: output},
            options=options,
        )


class BigQueryJobTask(BigQueryBaseTask):
    """
    Run any job: load, extract, copy, or a raw REST job configuration.

    ::

        BigQueryJobTask(
            name="load_flights",
            job=LoadConfig("gs://bucket/flights/{inputs.day:%Y%m%d}/*.parquet", "travel.flights", "PARQUET"),
            config=BigQueryConfig(project="my-project"),
            inputs={"day": date},
            output=StructuredDataset,
        )

    Args:
        name: Name of the task, unique in its Flyte project.
        job: A :class:`LoadConfig`, :class:`ExtractConfig` or :class:`CopyConfig`; a REST
            ``JobConfiguration`` as a dict; or a job configuration object of google-cloud-bigquery.
            A query's SQL is its ``query.query``.
        config: Where it runs; the fields that are about queries are for queries only.
        inputs: Name and type of each input: the parameters of a query; for other jobs the values
            of ``{inputs.name}`` in URIs and table names: ``str``, ``int``, ``date``, ``datetime``
            (with a format: ``{inputs.day:%Y%m%d}``), and files and datasets for their URI.
        output: ``None``, or ``StructuredDataset`` for the table that was written.
        options: flytekit's own, as for :class:`BigQueryTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking BigQuery.
    """

    def __init__(
        self,
        name: str,
        job: JobConfig | Mapping[str, Any] | Any,
        config: BigQueryConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        output: Any = None,
        **options: Any,
    ) -> None:
        config = check_config(f"task {name!r}", config)
        part, configuration = job_of(job, config)
        check_job_output(part, output)
        sql = ""
        if part == "query":
            sql = check_text(configuration["query"].pop("query", None), "job.query.query")
            request = query_request(
                config, sql, inputs, configuration=configuration, result=result_of(output, "output")
            )
        else:
            request = job_request(config, part, configuration, inputs, output)
        super().__init__(
            name,
            config=config,
            request=request,
            sql=sql,
            inputs=inputs or {},
            outputs={} if output is None else {OUTPUT: output},
            options=options,
        )


class BigQueryCheckTask(BigQueryBaseTask):
    """
    Check the quality of data: all checks in one query, one typed report.

    The task fails when a check fails, with a line for each in its message; with
    ``on_failure="report"`` it succeeds and the workflow decides. See
    :mod:`flyte_agent_bigquery.checks` for the kinds of checks.

    Args:
        name: Name of the task, unique in its Flyte project.
        table: The table to check, ``project.dataset.table`` or ``dataset.table``; a check may name
            another one.
        checks: What the functions of ``checks`` return; ``column`` returns several.
        config: Where and how the query runs.
        inputs: Values that the checks' SQL uses as ``@name``.
        on_failure: ``fail`` or ``report``.
        options: flytekit's own, as for :class:`BigQueryTask`.

    Raises:
        InvalidConfig: Anything that can be known to be wrong without asking BigQuery.
    """

    def __init__(
        self,
        name: str,
        table: str = "",
        checks: Sequence[Check | Sequence[Check]] = (),
        config: BigQueryConfig | None = None,
        inputs: Mapping[str, Any] | None = None,
        *,
        on_failure: Literal["fail", "report"] = "fail",
        **options: Any,
    ) -> None:
        config = check_config(f"task {name!r}", config)
        if on_failure not in ("fail", "report"):
            raise invalid("on_failure", on_failure, "'fail' or 'report'")
        asked = flat_checks(checks)
        sql = check_text(compile_checks([placed_check(c, table, config) for c in asked]))
        request = query_request(
            config,
            sql,
            inputs,
            kind="check",
            result="row",
            max_rows=len(asked),
            checks=[check.rule for check in asked],
            on_failure=on_failure,
        )
        if request.parameter_mode == "POSITIONAL":
            raise invalid("checks", "?", "@name for every input", "Checks may use an input twice.")
        super().__init__(
            name,
            config=config,
            request=request,
            sql=sql,
            inputs=inputs or {},
            outputs={"report": CheckReport},
            options=options,
        )
