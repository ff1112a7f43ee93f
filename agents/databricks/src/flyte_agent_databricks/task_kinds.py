"""What a task of a Databricks job does, one class for each kind, and how tasks make a job."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from .task_work import Parameters, Work, given_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .task_compute import Compute


@dataclass
class Notebook(Work):
    """
    A notebook; ``path`` is in the workspace, or in the repository of ``git_source``.

    What it gives to ``dbutils.notebook.exit`` is the output.
    """

    api: ClassVar[str] = "notebook_task"
    output: ClassVar[str] = "exit_value"
    path: str
    parameters: Parameters = field(default_factory=dict)
    source: str | None = None
    warehouse_id: str | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        return {
            "notebook_path": self.path,
            "base_parameters": self.parameters,
            "source": self.source,
            "warehouse_id": self.warehouse_id,
        }


@dataclass
class PythonFile(Work):
    """A Python file in the workspace, a volume, cloud storage, or the repository of ``git_source``."""

    api: ClassVar[str] = "spark_python_task"
    path: str
    parameters: Sequence[Any] = ()
    source: str | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        parameters = texts_of(self.parameters)
        return {"python_file": self.path, "parameters": parameters, "source": self.source}


@dataclass
class PythonWheel(Work):
    """A function of a wheel, which ``libraries`` bring; parameters are a list, or named by a dict."""

    api: ClassVar[str] = "python_wheel_task"
    package: str
    entry_point: str
    parameters: Sequence[Any] | Parameters = ()

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        named = isinstance(self.parameters, dict)
        given = self.parameters if isinstance(self.parameters, dict) else texts_of(self.parameters)
        return {
            "package_name": self.package,
            "entry_point": self.entry_point,
            "named_parameters" if named else "parameters": given,
        }


@dataclass
class Jar(Work):
    """The main class of a JAR, which ``libraries`` bring."""

    api: ClassVar[str] = "spark_jar_task"
    main_class: str
    parameters: Sequence[Any] = ()

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        return {"main_class_name": self.main_class, "parameters": texts_of(self.parameters)}


@dataclass
class SparkSubmit(Work):
    """The command line of ``spark-submit``; on a new cluster only."""

    api: ClassVar[str] = "spark_submit_task"
    parameters: Sequence[Any]

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        return {"parameters": texts_of(self.parameters)}


@dataclass
class Dbt(Work):
    """Commands of dbt, each beginning with ``dbt``; ``run_results.json`` is the output."""

    api: ClassVar[str] = "dbt_task"
    output: ClassVar[str] = "dbt"
    commands: Sequence[str]
    warehouse_id: str | None = None
    project_directory: str | None = None
    catalog: str | None = None
    schema: str | None = None
    profiles_directory: str | None = None
    source: str | None = None


@dataclass
class Pipeline(Work):
    """An update of a declarative pipeline (Delta Live Tables)."""

    api: ClassVar[str] = "pipeline_task"
    pipeline_id: str
    full_refresh: bool | None = None


@dataclass
class RunJob(Work):
    """A run of another job, by its id; the id of that run is the output."""

    api: ClassVar[str] = "run_job_task"
    output: ClassVar[str] = "run_job"
    job_id: int | str
    parameters: Parameters = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        return {"job_id": str(self.job_id), "job_parameters": self.parameters}


@dataclass
class Condition(Work):
    """``left op right``; steps that depend on it name the outcome they wait for."""

    api: ClassVar[str] = "condition_task"
    left: str
    op: str
    right: str


@dataclass
class ForEach(Work):
    """
    A step for each of ``inputs``, which its parameters call ``{{input}}``.

    ``inputs`` is a list, ``"{inputs.name}"`` for a list that the Flyte task gets, or a reference
    such as ``"{{tasks.find.values.files}}"``.
    """

    api: ClassVar[str] = "for_each_task"
    inputs: Sequence[Any] | str
    step: Step
    concurrency: int | None = None


@dataclass
class Step:
    """
    One task of a job with several.

    Attributes:
        key: Its name in the job.
        work: What it does: a :class:`Notebook` or another kind, or the task's part of the REST API as a dict.
        depends_on: Keys of the steps it waits for; ``"check:true"`` waits for an outcome of a condition.
        run_if: When it runs after those; ``ALL_SUCCESS`` if not given.
        compute: Where it runs, if elsewhere than the rest of the job.
        libraries: What it needs beside those of the job.
        timeout_s: When Databricks ends it; 0 for never before the job.
        max_retries: How often Databricks tries it again within the run.
        options: Further fields of a task in the REST API.
    """

    key: str
    work: Work | Mapping[str, Any]
    depends_on: Sequence[str] = ()
    run_if: str | None = None
    compute: Compute | None = None
    libraries: Sequence[str | Mapping[str, Any]] = ()
    timeout_s: int = 0
    max_retries: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def rest(self) -> dict[str, Any]:
        """Return the task in Databricks' REST API, without what it runs on."""
        return given_of({
            "task_key": self.key,
            **(self.work.rest() if isinstance(self.work, Work) else dict(self.work)),
            "depends_on": [_dependency(text) for text in self.depends_on],
            "run_if": self.run_if,
            "timeout_seconds": self.timeout_s or None,
            "max_retries": self.max_retries,
            **self.options,
        })  # fmt: skip


@dataclass
class ExistingJob:
    """
    A job that the workspace has, run with these parameters.

    Attributes:
        job: Its id, or its name if only one job has it.
        parameters: The job's parameters.
        only: Run these tasks of it only.
        options: Further fields of ``jobs/run-now``, such as ``notebook_params`` of an older job.
    """

    job: int | str
    parameters: Parameters = field(default_factory=dict)
    only: Sequence[str] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def params(self) -> dict[str, Any]:
        """Return the request, without the job."""
        return given_of({
            "job_parameters": self.parameters,
            "only": list(self.only),
            **self.options,
        })


def _dependency(text: str) -> dict[str, str]:
    key, _, outcome = text.partition(":")
    return {"task_key": key, "outcome": outcome} if outcome else {"task_key": key}


def items_of(inputs: Sequence[Any] | str) -> str:
    """Return the inputs of a loop as Databricks takes them: JSON, or a reference."""
    return inputs if isinstance(inputs, str) else json.dumps(list(inputs))
