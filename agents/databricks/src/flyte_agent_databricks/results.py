"""The declared outputs of a run that succeeded."""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from typing import TYPE_CHECKING, Any

from flyte_agent_core import JobNotFound, TaskError
from flyte_agent_core.outputs import OutputSpec

from .body import VALUE_KEY
from .job_run import dicts, part

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from flytekit.models.literals import LiteralMap

    from .calls import Calls
    from .job_run import Run
    from .meta import DatabricksJobMeta

MAX_VALUE_BYTES = 3 * 1024 * 1024
"""Outputs travel in the answer to a poll, which gRPC cuts at 4 MiB."""

MAX_ARTEFACTS_BYTES = 32 * 1024 * 1024
"""Of dbt's archive: it is read in memory."""


async def outputs_of(calls: Calls, meta: DatabricksJobMeta, run: Run) -> LiteralMap | None:
    """
    Return the outputs; ``None`` when the task declares none, or has written them itself.

    Raises:
        TaskError: The result does not fit what the task declared.
        AgentError: It could not be read this time.
    """
    spec = OutputSpec.decode(meta.outputs)
    maker = _MAKERS.get(meta.result)
    if maker is None or not spec.names:
        return None
    if run.resource.get("next_page_token"):
        run = await calls.get(run.run_id, whole=True, details=meta.result == "values")
    return checked(spec, await maker(calls, meta, run, spec))


def checked(spec: OutputSpec, values: Mapping[str, Any]) -> LiteralMap:
    """
    Return values as literals.

    Raises:
        TaskError: One does not fit, or all together are too large for an answer.
    """
    literals = spec.literal_map(values)
    size = literals.to_flyte_idl().ByteSize()
    if size > MAX_VALUE_BYTES:
        raise TaskError(
            f"The outputs have {size >> 10:,} KiB; at most {MAX_VALUE_BYTES >> 20} MiB come back as values. "
            "Write them to "
            "storage or a table, and return where that is.",
            code="DATABRICKS.RESULT_TOO_LARGE",
        )
    return literals


def task_of(run: Run, key: str, kinds: tuple[str, ...]) -> Run:
    """
    Return the task whose output is meant: the one of this key, or the only one of these kinds.

    Raises:
        TaskError: There is none, or more than one.
    """
    tasks = [task for task in run.tasks if not task.task_key.startswith(VALUE_KEY)]
    fitting = [task for task in tasks if (task.task_key == key if key else task.kind in kinds)]
    if len(fitting) == 1:
        return fitting[0]
    if not tasks and not key:
        return run
    names = ", ".join(sorted(task.task_key for task in fitting or tasks))
    raise TaskError(
        f"outputs.task: found {len(fitting)} tasks{f' called {key!r}' if key else ''} with such an output ({names}), "
        "expected one. Name the task whose output it is.",
        code="DATABRICKS.NO_RESULT",
    )


async def _exit_value(
    calls: Calls, meta: DatabricksJobMeta, run: Run, spec: OutputSpec
) -> dict[str, Any]:
    task = task_of(run, meta.task, ("notebook_task",))
    output = part(await calls.output(task.run_id), "notebook_output")
    if output.get("truncated"):
        raise TaskError(
            f"Databricks has cut the exit value of task {task.task_key!r}: it keeps at most 5 MB. Return less, "
            "or write it "
            "to storage and return where that is.",
            code="DATABRICKS.RESULT_TOO_LARGE",
        )
    if output.get("result") is None:
        raise TaskError(
            f"Task {task.task_key!r} succeeded, but its notebook gave no exit value, and the task declares output "
            f"{spec.names[0]!r}. End the notebook with dbutils.notebook.exit(json.dumps(value)).",
            code="DATABRICKS.NO_RESULT",
        )
    return _named(str(output["result"]), spec)


def _named(text: str, spec: OutputSpec) -> dict[str, Any]:
    """Return one value for each output: JSON, or for a single text the text itself."""
    name = spec.names[0]
    if len(spec.names) == 1 and spec.kinds[name] == "str":
        return {name: text}
    try:
        value = json.loads(text)
    except ValueError:
        raise TaskError(
            f"The exit value {text[:80]!r} is no JSON, and output {name!r} is declared as {spec.kinds[name]}. "
            "Exit with "
            "json.dumps(value), or declare the output as str.",
            code="DATABRICKS.NO_RESULT",
        ) from None
    if len(spec.names) == 1 and not (isinstance(value, dict) and set(value) == {name}):
        return {name: value}
    if not isinstance(value, dict):
        names = ", ".join(sorted(spec.names))
        raise TaskError(
            f"The exit value is a {type(value).__name__}, expected an object with {names}",
            code="DATABRICKS.NO_RESULT",
        )
    return {n: _whole(value.get(n), spec.kinds[n]) for n in spec.names}


def _whole(value: Any, kind: Any) -> Any:
    """Return a number as declared: JSON of ``1.0`` for an int, ``1`` for a float."""
    return (
        int(value) if kind == "int" and isinstance(value, float) and value.is_integer() else value
    )


async def _sql(calls: Calls, meta: DatabricksJobMeta, run: Run, spec: OutputSpec) -> dict[str, Any]:
    """Return the page with a SQL task's result, or its rows where its statement can still be read."""
    from .statement_rows import values_of

    task = task_of(run, meta.task, ("sql_task",))
    output = part(await calls.output(task.run_id), "sql_output")
    query = part(output, "query_output")
    name, link = spec.names[0], str(query.get("output_link") or "")
    if spec.kinds[name] == "str" and link:
        return {name: link}
    found = [str(item.get("lookup_key") or "") for item in dicts(query.get("sql_statements"))]
    last = found[-1] if found else "none"
    try:
        statement = await calls.run(lambda client: client.get_statement(last))
    except JobNotFound:
        raise TaskError(
            f"The rows of SQL task {task.task_key!r} cannot be read: Databricks keeps them for its own page. "
            "Declare the "
            "output as str for the address of that, or use a statement (DatabricksSQLTask) for rows.",
            code="DATABRICKS.NO_RESULT",
        ) from None
    kind = "scalar" if not isinstance(spec.kinds[spec.names[0]], list) else "rows"
    return await values_of(calls, statement, kind, meta.max_rows, spec)


async def _dbt(calls: Calls, meta: DatabricksJobMeta, run: Run, spec: OutputSpec) -> dict[str, Any]:
    task = task_of(run, meta.task, ("dbt_task",))
    output = part(await calls.output(task.run_id), "dbt_output")
    link = str(output.get("artifacts_link") or "")
    if not link:
        raise TaskError(
            f"dbt task {task.task_key!r} has left no artefacts", code="DATABRICKS.NO_RESULT"
        )
    name = spec.names[0]
    if spec.kinds[name] == "str":
        return {name: link}
    headers = {str(k): str(v) for k, v in part(output, "artifacts_headers").items()}
    data = await calls.run(lambda client: client.download(link, headers, MAX_ARTEFACTS_BYTES))
    return {name: _run_results(data)}


def _run_results(data: bytes) -> Any:
    """Return ``run_results.json`` of dbt's archive."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                file = (
                    archive.extractfile(member)
                    if member.name.endswith("run_results.json")
                    else None
                )
                if file is not None and member.size <= MAX_ARTEFACTS_BYTES:
                    return json.loads(file.read())
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise TaskError(
            f"dbt's artefacts cannot be read: {type(error).__name__}", code="DATABRICKS.NO_RESULT"
        ) from None
    raise TaskError("dbt's artefacts hold no run_results.json", code="DATABRICKS.NO_RESULT")


async def _run_job(
    calls: Calls, meta: DatabricksJobMeta, run: Run, spec: OutputSpec
) -> dict[str, Any]:
    task = task_of(run, meta.task, ("run_job_task",))
    output = part(await calls.output(task.run_id), "run_job_output")
    return dict.fromkeys(spec.names, _id(output.get("run_id"), spec))


async def _run_id(
    calls: Calls, meta: DatabricksJobMeta, run: Run, spec: OutputSpec
) -> dict[str, Any]:
    return dict.fromkeys(spec.names, _id(run.run_id, spec))


def _id(value: Any, spec: OutputSpec) -> Any:
    return int(value) if spec.kinds[spec.names[0]] == "int" else str(value or "")


async def _values(
    calls: Calls, meta: DatabricksJobMeta, run: Run, spec: OutputSpec
) -> dict[str, Any]:
    """Return the task values that the added conditions have read, in the order in which they were named."""
    found: dict[str, str] = {}
    for task in run.tasks:
        if task.task_key.startswith(VALUE_KEY):
            resolved = part(part(task.resource, "resolved_values"), "condition_task")
            found[task.task_key] = str(
                resolved.get("left") or part(task.resource, "condition_task").get("left") or ""
            )
    names = meta.task.split("\n")
    made = {}
    for number, name in enumerate(names):
        text = found.get(f"{VALUE_KEY}{number}")
        if text is None or text.startswith("{{"):
            raise TaskError(
                f"output {name!r}: the task has set no such value. Call dbutils.jobs.taskValues.set(key, value) there.",
                code="DATABRICKS.NO_RESULT",
            )
        made[name] = _typed(text, spec.kinds.get(name, "str"))
    return made


def _typed(text: str, kind: Any) -> Any:
    if kind == "str":
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text  # what does not fit is said with the output's name
    return _whole(value, kind)


_MAKERS: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
    "exit_value": _exit_value,
    "sql": _sql,
    "dbt": _dbt,
    "run_job": _run_job,
    "run_id": _run_id,
    "values": _values,
}
