"""What the agent adds to the tasks of a run: the body of a Python task, and what reads task values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .config import ENTRY_POINT, PACKAGE

if TYPE_CHECKING:
    from flyte_agent_core import Attempt
    from flyte_agent_core.identity import Identity

    from .config import JobRequest, PythonBody

VALUE_KEY = "flyte_value_"
"""Begins the key of a task that reads a task value; the rest is its number."""


def complete(body: dict[str, Any], request: JobRequest, attempt: Attempt) -> None:
    """Add to the request what the agent knows only now."""
    if request.python is not None:
        _fill_body(body, request.python, attempt)
    body["tasks"] += [_reader(n, place) for n, place in enumerate(request.outputs.values.values())]


def _fill_body(body: dict[str, Any], python: PythonBody, attempt: Attempt) -> None:
    (task,) = body["tasks"]
    task["python_wheel_task"] = {
        "package_name": PACKAGE,
        "entry_point": ENTRY_POINT,
        "parameters": _arguments(python, attempt),
    }
    if not python.package:
        return
    if "environment_key" in task:
        _depend(body, task["environment_key"], python.package)
    else:
        wheel = python.package.endswith(".whl")
        library = {"whl": python.package} if wheel else {"pypi": {"package": python.package}}
        task["libraries"] = [*task.get("libraries", ()), library]


def _depend(body: dict[str, Any], key: str, package: str) -> None:
    for environment in body.get("environments", ()):
        if environment["environment_key"] == key:
            spec = environment.setdefault("spec", {})
            spec["dependencies"] = [*spec.get("dependencies", ()), package]


def _arguments(python: PythonBody, attempt: Attempt) -> list[str]:
    """Return the arguments of :mod:`flyte_agent_databricks.run`, Flyte's own command at their end."""
    container = attempt.template.container
    variables = {
        **_context(attempt.identity),
        **{pair.key: pair.value for pair in container.env},
        **python.env,
    }
    made = [item for name, value in variables.items() for item in ("--env", f"{name}={value}")]
    made += [
        item for name, place in python.secrets.items() for item in ("--secret", f"{name}={place}")
    ]
    if python.service_credential:
        made += ["--service-credential", python.service_credential]
    return [*made, "--", *container.args]


def _context(identity: Identity) -> dict[str, str]:
    """Return what flytekit reads its execution context from; propeller gives it to pods in the same way."""
    said = {
        "EXECUTION_PROJECT": identity.project,
        "EXECUTION_DOMAIN": identity.domain,
        "EXECUTION_ID": identity.execution,
        "EXECUTION_WORKFLOW": identity.workflow_name,
        "TASK_PROJECT": identity.project,
        "TASK_DOMAIN": identity.domain,
        "TASK_NAME": identity.task_name,
        "TASK_VERSION": identity.task_version,
    }
    made = {f"FLYTE_INTERNAL_{name}": value for name, value in said.items() if value}
    return {**made, "FLYTE_ATTEMPT_NUMBER": str(identity.retry_attempt)}


def _reader(number: int, place: str) -> dict[str, Any]:
    """
    Return a task that reads a task value: nothing but the parameters of tasks shows those.

    A condition takes no compute. The value stands in its resolved parameters:
    https://docs.databricks.com/api/workspace/jobs/getrun (``include_resolved_values``)
    """
    task, _, value = place.partition(".")
    return {
        "task_key": f"{VALUE_KEY}{number}",
        "depends_on": [{"task_key": task}],
        "condition_task": {
            "left": f"{{{{tasks.{task}.values.{value}}}}}",
            "op": "NOT_EQUAL",
            "right": "-",
        },
    }
