"""What a task asks for, from the arguments of its author, checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from flytekit.core.type_engine import TypeEngine
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from flytekit.types.structured import StructuredDataset
from flytekit.types.structured.structured_dataset import StructuredDatasetTransformerEngine

from flyte_agent_core.fields import invalid

from .config import JOB_KINDS, MAX_ROWS, JobRequest
from .config_author import BigQueryConfig
from .config_jobs import CopyConfig, ExtractConfig, LoadConfig
from .config_rest import raw_configuration
from .config_templates import check_placeholders
from .task_sql import parameter_mode
from .types import rest_type
from .types_hints import bare, is_row, without_none

if TYPE_CHECKING:
    from .types import RestType

Result = Literal["none", "dataset", "rows", "row", "scalar"]


def base_request(config: BigQueryConfig, part: str, **request: Any) -> JobRequest:
    """Return a request with what ``config`` says of every kind of job."""
    return JobRequest(
        project=config.known_project,
        location=config.location,
        configuration=request.pop("configuration", None) or config.rest(part),
        cost=config.cost,
        credentials=config.credentials,
        impersonate=config.chain,
        **request,
    )


def check_config(where: str, config: Any) -> BigQueryConfig:
    """
    Return ``config``.

    Raises:
        InvalidConfig: It is missing or of another class.
    """
    if config is None:
        raise invalid(f"{where}.config", None, "BigQueryConfig(project=...)", _NO_CONFIG)
    if not isinstance(config, BigQueryConfig):
        repair = "Import BigQueryConfig from flyte_agent_bigquery."
        raise invalid(f"{where}.config", type(config), "a BigQueryConfig", repair)
    return config


_NO_CONFIG = (
    "The project that runs and pays for the job has to be said: config=BigQueryConfig('p')."
)


def input_hints(inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the type of each input; ``(type, default)`` pairs are flytekit's form for defaults."""
    given = dict(inputs or {})
    return {name: v[0] if isinstance(v, tuple) else v for name, v in given.items()}


def input_types(inputs: Mapping[str, Any] | None) -> dict[str, RestType]:
    """Return the parameter type of each input of a query."""
    return {n: rest_type(hint, f"input {n!r}") for n, hint in input_hints(inputs).items()}


def name_types(inputs: Mapping[str, Any] | None) -> dict[str, RestType]:
    """Return the type of each input of a job that writes it into names; files count as their URI."""
    return {name: _name_type(name, hint) for name, hint in input_hints(inputs).items()}


def _name_type(name: str, hint: Any) -> RestType:
    plain = bare(hint)
    if isinstance(plain, type) and issubclass(
        plain, (FlyteFile, FlyteDirectory, StructuredDataset)
    ):
        return {"type": "STRING"}
    return rest_type(hint, f"input {name!r}")


def result_of(output: Any, where: str) -> Result:
    """
    Return how an output of this type is made.

    ``None`` is no output, a dataset the destination table, a dataclass the one row,
    ``list[dataclass]`` all rows, ``list[T]`` the first column of all rows, anything else the one
    value.

    Raises:
        InvalidConfig: No result of a query can become such an output.
    """
    if output is None:
        return "none"
    if isinstance(output, dict) or hasattr(output, "_fields"):
        raise invalid(
            where, output, "one type",
            "A task has one output: return one row as a dataclass with these fields.",
        )  # fmt: skip
    plain = without_none(output)
    if is_dataset(plain):
        return "dataset"
    kind = rest_type(plain, where)["type"]
    made: dict[str, Result] = {"ARRAY": "rows", "STRUCT": "row"}
    return made.get(kind, "scalar")


def is_dataset(hint: Any) -> bool:
    """Return whether flytekit keeps values of this type as a structured dataset."""
    plain = bare(hint)
    if not isinstance(plain, type) or is_row(plain):
        return False
    if issubclass(plain, StructuredDataset):
        return True
    TypeEngine.lazy_import_transformers()  # registers data frames if their library is in use
    return plain in StructuredDatasetTransformerEngine.DECODERS


def check_rows(max_rows: Any) -> int:
    """
    Return ``max_rows``.

    Raises:
        InvalidConfig: It is not a number of rows.
    """
    if isinstance(max_rows, bool) or not isinstance(max_rows, int) or max_rows < 1:
        raise invalid("max_rows", max_rows, f"a whole number above 0; {MAX_ROWS} if not given")
    return max_rows


def either(name: str, value: Any, old: str, old_value: Any) -> Any:
    """Return the argument that was given, under our name or that of the stock plugin."""
    if value is not None and old_value is not None:
        raise invalid(old, old_value, f"{name} or {old}, not both", "They are the same.")
    return old_value if value is None else value


def query_request(
    config: BigQueryConfig, sql: str, inputs: Mapping[str, Any] | None, **request: Any
) -> JobRequest:
    """
    Return the request of a query.

    Raises:
        InvalidConfig: Its parameters are not its inputs, or the raw configuration contradicts them.
    """
    types = input_types(inputs)
    configuration = request.pop("configuration", None) or config.rest("query")
    raw = configuration.get("query") or {}
    if raw.get("query") not in (None, sql):
        raise invalid("job_config.query", raw["query"], "the SQL in the task's query only")
    raw.pop("query", None)
    if raw.get("useLegacySql") and types:
        raise invalid("inputs", list(types), "none: legacy SQL has no parameters", "Use GoogleSQL.")
    static = [str(p.get("name")) for p in raw.get("queryParameters") or []]
    twice = [name for name in types if name.lower() in {s.lower() for s in static}]
    if twice:
        raise invalid("inputs", twice[0], "a name that job_config has no value for", "Rename it.")
    return base_request(
        config,
        "query",
        configuration=configuration or {"query": {}},
        parameters=types,
        parameter_order=list(types),
        parameter_mode=parameter_mode(sql, list(types), static),
        **request,
    )


def job_request(
    config: BigQueryConfig,
    part: str,
    configuration: dict[str, Any],
    inputs: Mapping[str, Any] | None,
    output: Any,
) -> JobRequest:
    """
    Return the request of a load, extract or copy.

    Raises:
        InvalidConfig: Its placeholders are not its inputs, or it has a cost limit.
    """
    types = name_types(inputs)
    check_placeholders(configuration, types)
    if config.cost is not None:
        raise invalid(
            "BigQueryConfig.cost", config.cost, "a query", f"A {part} job reads for free."
        )
    return base_request(
        config,
        part,
        kind=part,
        configuration=configuration,
        parameters=types,
        parameter_order=list(types),
        result="none" if output is None else "dataset",
    )


def job_of(job: Any, config: BigQueryConfig) -> tuple[str, dict[str, Any]]:
    """Return the kind of a job and its whole REST configuration."""
    if isinstance(job, (LoadConfig, ExtractConfig, CopyConfig)):
        return job.part, {**config.rest(job.part), job.part: job.rest(config.known_project)}
    raw = job.to_api_repr() if callable(getattr(job, "to_api_repr", None)) else job
    parts = [p for p in JOB_KINDS if p in raw] if isinstance(raw, Mapping) else []
    if len(parts) != 1:
        expected = "a LoadConfig, ExtractConfig, CopyConfig or REST JobConfiguration of one kind"
        raise invalid("job", raw, expected)
    if config.job_config is not None:
        raise invalid(
            "BigQueryConfig.job_config", "a raw configuration", "one in job or in config, not both"
        )
    merged = dataclasses.replace(config, job_config=raw_configuration(raw, parts[0]))
    return parts[0], merged.rest(parts[0])


def check_job_output(part: str, output: Any) -> None:
    """Raise if such a job cannot give ``output``."""
    if output is None or part == "query":
        return
    if part == "extract":
        raise invalid("output", output, "None: an extract writes files, not a table")
    if not is_dataset(output):
        raise invalid("output", output, "None or StructuredDataset: the table that was written")
