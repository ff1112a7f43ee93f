"""Where a task's outputs come from, by the types that its author declared."""

from __future__ import annotations

import types
import typing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid

from .config import MAX_ROWS, OutputSource
from .task_kinds import Step
from .task_work import Work

if TYPE_CHECKING:
    from collections.abc import Mapping

OUTPUT = "results"
"""Name of a task's one output."""

RUN_ID = "{run_id}"
"""For ``output_from``: the id of the run."""


@dataclass(frozen=True)
class TaskValue:
    """
    What a step gave to ``dbutils.jobs.taskValues.set``.

    Attributes:
        place: ``step.key``.
        type: Type of the output.
    """

    place: str
    type: Any = str


_KINDS = {
    "notebook_task": "exit_value",
    "sql_task": "sql",
    "dbt_task": "dbt",
    "run_job_task": "run_job",
}


def declared(output: Any, values: Mapping[str, TaskValue] | None) -> dict[str, Any]:
    """Return names and types of the outputs."""
    if values:
        return {name: value.type for name, value in values.items()}
    return {} if output is None else {OUTPUT: output}


def source_of(
    output: Any,
    output_from: str | None,
    values: Mapping[str, TaskValue] | None,
    steps: Mapping[str, Step],
    max_rows: int = MAX_ROWS,
) -> OutputSource:
    """
    Return what the outputs of a job are made of.

    Raises:
        InvalidConfig: No step, or more than one, has such an output.
    """
    if values:
        return _values(output, values)
    if output is None:
        return OutputSource()
    if output_from == RUN_ID:
        return OutputSource("run_id")
    if not steps:
        # A job that the workspace has: which of its tasks are what is known when it runs.
        return OutputSource("exit_value", output_from or "", max_rows=max_rows)
    sources = {key: kind for key, step in steps.items() if (kind := _output_of(step))}
    if output_from is not None and output_from not in sources:
        expected = f"a step with an output: {', '.join(sources) or '(there is none)'}"
        raise invalid("output_from", output_from, expected, did_you_mean(output_from, sources))
    if output_from is None and len(sources) != 1:
        raise invalid(
            "output", output, _expected(sources), "Or give each a TaskValue in 'task_values'."
        )
    key = output_from or next(iter(sources))
    return OutputSource(sources[key], key, max_rows=max_rows)


def _expected(sources: Mapping[str, Any]) -> str:
    if sources:
        return f"output_from, which says whose: {', '.join(sources)}"
    return "a notebook, a SQL query or file, dbt or another job, which have outputs; others have RUN_ID"


def _values(output: Any, values: Mapping[str, Any]) -> OutputSource:
    if output is not None:
        raise invalid("output", output, "output or task_values, not both")
    wrong = [name for name, value in values.items() if not isinstance(value, TaskValue)]
    if wrong:
        found = values[wrong[0]]
        raise invalid(f"task_values[{wrong[0]!r}]", found, "TaskValue('step.key', type)")
    return OutputSource("values", values={name: value.place for name, value in values.items()})


def _output_of(step: Step) -> typing.Any:
    if isinstance(step.work, Work):
        return step.work.output
    return next((kind for name, kind in _KINDS.items() if name in step.work), "")


def of_statement(output: Any, max_rows: int) -> OutputSource:
    """
    Return what the output of a statement is made of.

    ``None`` is no output, a dataclass the one row, ``list`` the rows or their first column, anything
    else the one value.
    """
    plain = without_none(output)
    if plain is None:
        return OutputSource()
    if typing.get_origin(plain) is list:
        return OutputSource("rows", max_rows=max_rows)
    if hasattr(plain, "__dataclass_fields__") and not _is_reference(plain):
        return OutputSource("row", max_rows=max_rows)
    if _is_reference(plain):
        raise invalid(
            "output", output, "rows or values",
            "Write the result into a table (CREATE TABLE … AS SELECT …) and pass its name.",
        )  # fmt: skip
    return OutputSource("scalar", max_rows=max_rows)


def without_none(hint: Any) -> Any:
    """Return ``T`` of ``Optional[T]``, and any other hint as it is."""
    if typing.get_origin(hint) not in (typing.Union, types.UnionType):
        return hint
    rest = [arg for arg in typing.get_args(hint) if arg is not type(None)]
    return rest[0] if len(rest) == 1 else hint


def _is_reference(hint: Any) -> bool:
    from flytekit.types.directory import FlyteDirectory
    from flytekit.types.file import FlyteFile
    from flytekit.types.structured import StructuredDataset

    return isinstance(hint, type) and issubclass(
        hint, (FlyteFile, FlyteDirectory, StructuredDataset)
    )
