"""The declared outputs of a job that succeeded."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_agent_core import RetryableError, TaskError
from flyte_agent_core.outputs import DatasetRef, OutputSpec

from .checks_report import rules_of
from .cost import size_text
from .job import Job, dicts, integer, part
from .rows import fields_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from flytekit.models.literals import LiteralMap

    from .calls import Calls
    from .meta import BigQueryJobMeta

MAX_VALUE_BYTES = 3 * 1024 * 1024
"""Outputs travel in the answer to a poll, which gRPC cuts at 4 MiB."""

_CHILD_PAGES = 5


async def outputs_of(calls: Calls, meta: BigQueryJobMeta, job: Job) -> LiteralMap | None:
    """
    Return the outputs; ``None`` when the task declares none.

    Raises:
        TaskError: The result does not fit what the task declared.
        AgentError: The rows could not be read this time.
    """
    spec = OutputSpec.decode(meta.outputs)
    maker = _MAKERS.get(meta.result)
    if maker is None or not (spec.names or meta.result == "check"):
        return None
    values = await maker(calls, meta, job, spec)
    if not values:
        return None
    literals = spec.literal_map(values)
    size = literals.to_flyte_idl().ByteSize()
    if size > MAX_VALUE_BYTES:
        raise _too_large(
            size_text(size), f"at most {size_text(MAX_VALUE_BYTES)} come back as values"
        )
    return literals


async def key_select(calls: Calls, job: Job) -> Job:
    """
    Return the job whose rows are the result: of a script one of its SELECTs, else the job itself.

    That is the last one that ran, or the first if the configuration says so (``keyResultStatement``). Expressions of
    a script (conditions of IF, values of SET) are jobs too, but no results.

    Raises:
        TaskError: The first one is asked for, of a script with too many statements to look through.
    """
    if not (job.child_jobs or job.statement_type == "SCRIPT"):
        return job
    options = part(part(job.configuration, "query"), "scriptOptions")
    wants_first = options.get("keyResultStatement") == "FIRST_SELECT"
    found, token = job, ""
    for _ in range(_CHILD_PAGES):
        page = await calls.child_jobs(job.ref, token)
        for child in (Job(item) for item in dicts(page.get("jobs"))):  # the newest first
            if child.statement_type == "SELECT" and _is_statement(child):
                found = child
                if not wants_first:
                    return child
        token = str(page.get("nextPageToken") or "")
        if not token:
            return found
    if wants_first:
        raise TaskError(
            f"The script ran {job.child_jobs:,} statements, too many to find its first SELECT. Leave "
            "out key_result_statement: the last one is found.",
            code="BIGQUERY.NO_RESULT",
        )
    return found


def _is_statement(child: Job) -> bool:
    kind = part(child.statistics, "scriptStatistics").get("evaluationKind")
    return kind in (None, "STATEMENT")


def dataset_uri(table: Mapping[str, Any]) -> str:
    """Return the address flytekit's BigQuery readers and writers take: ``bq://project:dataset.table``."""
    return f"bq://{table.get('projectId')}:{table.get('datasetId')}.{table.get('tableId')}"


async def _dataset(
    calls: Calls, meta: BigQueryJobMeta, job: Job, spec: OutputSpec
) -> dict[str, Any] | None:
    table = (await key_select(calls, job)).destination or job.destination
    if table is None and meta.result == "stock":
        return None  # what flytekit's plugin does; its metadata does not say what the task declared
    if table is None:
        raise TaskError(
            f"The job succeeded but wrote no table ({job.statement_type or 'its kind'} gives none), and the task "
            f"declares output {spec.names[0]!r}. Remove the output, or end the SQL with a SELECT.",
            code="BIGQUERY.NO_RESULT",
        )
    return dict.fromkeys(spec.names, DatasetRef(dataset_uri(table)))


async def _rows(calls: Calls, meta: BigQueryJobMeta, job: Job, spec: OutputSpec) -> dict[str, Any]:
    name = spec.names[0]
    inner = _inside(spec.kinds[name])
    found = await _read(calls, job, meta.max_rows, as_text=inner == "str")
    return {name: found if inner == "struct" else [_first(row) for row in found]}


async def _row(calls: Calls, _meta: BigQueryJobMeta, job: Job, spec: OutputSpec) -> dict[str, Any]:
    found = await _read(calls, job, 1)
    if len(spec.names) == 1:
        return {spec.names[0]: found[0] if found else None}
    return found[0] if found else dict.fromkeys(spec.names)


async def _scalar(
    calls: Calls, _meta: BigQueryJobMeta, job: Job, spec: OutputSpec
) -> dict[str, Any]:
    name = spec.names[0]
    found = await _read(calls, job, 1, as_text=_inside(spec.kinds[name]) == "str")
    return {name: _first(found[0]) if found else None}


async def _read(
    calls: Calls, job: Job, max_rows: int, *, as_text: bool = False
) -> list[dict[str, Any]]:
    """Return all rows of the result, which one answer must hold."""
    page = await calls.result_page((await key_select(calls, job)).ref, max_rows + 1)
    if page.get("jobComplete") is False:
        raise RetryableError("the rows are not ready yet", code="BIGQUERY.ROWS_NOT_READY")
    rows = rows_of(page, as_text=as_text)
    total = max(len(rows), integer(page.get("totalRows")) or 0)
    if not fields_of(page):
        raise TaskError(
            f"The query succeeded but returned no rows to read ({job.statement_type or 'no SELECT'}). End the SQL "
            "with a SELECT, or declare no value as output.",
            code="BIGQUERY.NO_RESULT",
        )
    if total > max_rows:
        raise _too_large(f"{total:,} rows", f"the task takes at most {max_rows:,} as values")
    if page.get("pageToken"):
        raise _too_large("more than one page of rows", "only one comes back as values")
    return rows


async def _check(
    calls: Calls, _meta: BigQueryJobMeta, job: Job, spec: OutputSpec
) -> dict[str, Any]:
    rules = rules_of(job.sql)
    report = rules.report(await _read(calls, job, len(rules.checks)))
    if rules.fails and not report.passed:
        raise TaskError(report.summary(), code="BIGQUERY.CHECK_FAILED")
    return dict.fromkeys(spec.names, dataclasses.asdict(report))


def _too_large(found: str, limit: str) -> TaskError:
    return TaskError(
        f"The query returned {found}; {limit}. Declare the output as a StructuredDataset, which stays in BigQuery, or "
        "return less (LIMIT, fewer columns).",
        code="BIGQUERY.RESULT_TOO_LARGE",
    )


def _first(row: dict[str, Any]) -> Any:
    return next(iter(row.values()), None)


def _inside(kind: Any) -> str:
    """Return the type inside lists, dicts and Optional."""
    while isinstance(kind, list):
        variants = [v for _, v in kind[1:] if v != "none"] if kind[0] == "union" else kind[1:]
        kind = variants[0] if variants else "none"
    return str(kind)


_MAKERS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any] | None]]] = {
    "dataset": _dataset,
    "stock": _dataset,
    "rows": _rows,
    "row": _row,
    "scalar": _scalar,
    "check": _check,
}
