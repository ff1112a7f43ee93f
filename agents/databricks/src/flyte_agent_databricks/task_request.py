"""What a task asks for, from what its author wrote."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from flyte_agent_core.fields import invalid

from . import templates
from .config import RunNow
from .config_compute import COMPUTE, NO_COMPUTE
from .config_rules import kind_of
from .task_compute import Compute, ExistingCluster, Library, NewCluster, Serverless, libraries_of
from .task_config import DatabricksConfig
from .task_kinds import ExistingJob, ForEach, Step, items_of
from .task_work import Work

ONLY_KEY = "main"
"""Key of the task of a job that has one."""

Job = Work | ExistingJob | Sequence[Step] | Mapping[str, Any]


def input_kinds(inputs: Mapping[str, Any] | None) -> dict[str, str]:
    """Return what each input is to a template; ``(type, default)`` pairs are flytekit's for defaults."""
    hints = {n: v[0] if isinstance(v, tuple) else v for n, v in (inputs or {}).items()}
    return {name: templates.kind_of(hint) for name, hint in hints.items()}


def steps_of(job: Any) -> dict[str, Step]:
    """
    Return the steps of a job by their keys; none of a job that the workspace has.

    Raises:
        InvalidConfig: It is no job.
    """
    if isinstance(job, ExistingJob):
        return {}
    if isinstance(job, Work):
        return {ONLY_KEY: Step(ONLY_KEY, job)}
    if isinstance(job, Mapping):
        tasks = job.get("tasks", [{"task_key": ONLY_KEY, **job}])
        return {str(task.get("task_key")): _raw_step(task) for task in tasks}
    if isinstance(job, Sequence) and not isinstance(job, str) and job:
        wrong = [step for step in job if not isinstance(step, Step)]
        if wrong:
            raise invalid("job", wrong[0], "a Step", "Write Step('key', Notebook(…)).")
        return {step.key: step for step in job}
    raise invalid("job", job, "a Notebook or other work, a list of Step, an ExistingJob, or a dict")


def _raw_step(task: Mapping[str, Any]) -> Step:
    rest = {name: value for name, value in task.items() if name != "task_key"}
    return Step(str(task.get("task_key", ONLY_KEY)), rest)


RUN_NOW_FIELDS = ("queue", "performance_target", "duration_target")
"""Fields of the configuration that a job of the workspace takes too."""


def run_now_of(job: ExistingJob, config: DatabricksConfig, kinds: Mapping[str, str]) -> RunNow:
    """Return the request of a job that the workspace has."""
    by_id = not isinstance(job.job, str) or job.job.isdigit()
    of_config = {name: v for name, v in config.run().items() if name in RUN_NOW_FIELDS}
    params = {**of_config, **job.params()}
    templates.check(params, kinds)
    made: dict[str, Any] = templates.settled(params, kinds)
    return RunNow(**{"job_id" if by_id else "job_name": str(job.job)}, params=made)


def submit_of(job: Any, config: DatabricksConfig, kinds: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the body of ``jobs/runs/submit``.

    Raises:
        InvalidConfig: The job is none, or its placeholders are not the inputs.
    """
    steps = list(steps_of(job).values())
    if isinstance(job, Sequence) and len({step.key for step in steps}) != len(job):
        keys = [step.key for step in job]
        raise invalid("job", next(k for k in keys if keys.count(k) > 1), "each step's key once")
    places = Places(config)
    body = {
        **config.run(),
        **({n: v for n, v in job.items() if n != "tasks"} if _is_body(job) else {}),
        **({"run_name": config.run_name} if config.run_name else {}),
        "tasks": [places.task(step) for step in steps],
    }
    if places.environments:
        body["environments"] = [
            *body.get("environments", []),
            *({"environment_key": k, "spec": v} for k, v in places.environments.items()),
        ]
    templates.check(body, kinds)
    made: dict[str, Any] = templates.settled(body, kinds)
    return made


def _is_body(job: Any) -> bool:
    return isinstance(job, Mapping) and "tasks" in job


class Places:
    """
    Puts tasks where they run.

    Attributes:
        environments: Specs of the serverless environments that the tasks name, by key.
    """

    def __init__(self, config: DatabricksConfig) -> None:
        self._config = config
        self.environments: dict[str, dict[str, Any]] = {}

    def task(self, step: Step) -> dict[str, Any]:
        """Return a task in Databricks' REST API, with the place where it runs."""
        made = step.rest()
        if isinstance(step.work, ForEach):
            made["for_each_task"] = {
                "inputs": items_of(step.work.inputs),
                "task": self.task(step.work.step),
                **({"concurrency": step.work.concurrency} if step.work.concurrency else {}),
            }
        return self.place(made, step.compute, step.libraries)

    def place(
        self, task: dict[str, Any], compute: Compute | None, libraries: Sequence[Library]
    ) -> dict[str, Any]:
        """Return a task with its place, unless it has one or needs none."""
        kind = kind_of(task)
        if any(name in task for name in (*COMPUTE, "job_cluster_key")):
            return task
        if kind in NO_COMPUTE and compute is None:
            return task
        chosen = compute or self._config.compute
        wanted = [
            *libraries_of(f"libraries of {task['task_key']!r}", libraries),
            *libraries_of("libraries", self._config.libraries),
        ]
        if isinstance(chosen, Serverless):
            return self._serverless(task, kind, chosen, wanted)
        where: dict[str, Any] = {}
        if isinstance(chosen, NewCluster):
            where = {"new_cluster": chosen.spec}
        elif isinstance(chosen, ExistingCluster):
            where = {"existing_cluster_id": chosen.cluster_id}
        elif wanted:
            raise invalid("libraries", wanted, "compute beside them", "Write compute=Serverless().")
        both = [*task.get("libraries", []), *wanted]
        return {**task, **where, **({"libraries": both} if both else {})}

    def _serverless(
        self, task: dict[str, Any], kind: str, chosen: Serverless, libraries: list[dict[str, Any]]
    ) -> dict[str, Any]:
        if kind == "notebook_task" and chosen == Serverless() and not libraries:
            return task  # a notebook has an environment of its own, which this would replace
        spec = with_libraries(chosen.spec(), libraries)
        for number in itertools.count(1):
            key = chosen.key if number == 1 else f"{chosen.key}_{number}"
            if self.environments.setdefault(key, spec) == spec:
                return {**task, "environment_key": key}
        raise AssertionError


def with_libraries(
    spec: Mapping[str, Any], libraries: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """
    Return a serverless environment with libraries as its dependencies.

    Raises:
        InvalidConfig: Serverless compute knows no such library.
    """
    python = list(spec.get("dependencies", []))
    java = list(spec.get("java_dependencies", []))
    for library in libraries:
        ((kind, value),) = library.items()
        if kind == "pypi":
            python.append(value["package"])
        elif kind in ("whl", "requirements"):
            python.append(value if kind == "whl" else f"-r {value}")
        elif kind == "jar":
            java.append(value)
        else:
            raise invalid("libraries", library, "pip requirements, wheels and jars on serverless")
    made = {"dependencies": python, "java_dependencies": java}
    return {**spec, **{name: value for name, value in made.items() if value}}
