"""
The run that a task of flytekit's own plugin asks for, from the ``custom`` it was registered with.

Made as flytekitplugins-spark 1.16.31 makes it (``connector.py``), in the form of API 2.2, which has a list of tasks.
"""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import invalid

from .config_schema import fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyteidl.core.tasks_pb2 import Container

_GIT = {
    "git_url": "https://github.com/flyteorg/flytetools",
    "git_provider": "gitHub",
    "git_commit": "572298df1f971fb58c258398bd70a6372f811c96",
}
_FILES = {
    False: "flytekitplugins/databricks/entrypoint.py",
    True: "flytekitplugins/databricks/entrypoint_serverless.py",
}
_PROVIDER = "FLYTE_DATABRICKS_SERVICE_CREDENTIAL_PROVIDER"
_SERVERLESS_VERSION = "1"


def instance_of(custom: Mapping[str, Any]) -> str:
    """Return the workspace a task names; ``""`` for the service's own."""
    return str(custom.get("databricksInstance") or "")


def submit_of(custom: Mapping[str, Any], container: Container) -> dict[str, Any]:
    """
    Return the body of ``jobs/runs/submit``.

    Raises:
        InvalidConfig: The task names no compute.
    """
    conf = copy.deepcopy(dict(custom.get("databricksConf") or {}))
    names = ("existing_cluster_id", "new_cluster", "environment_key", "environments")
    if not any(conf.get(name) for name in names):
        raise invalid("databricks_conf", sorted(conf), f"compute: one of {', '.join(names)}")
    serverless = not (conf.get("existing_cluster_id") or conf.get("new_cluster"))
    variables = {pair.key: pair.value for pair in container.env}
    variables["FLYTE_FAIL_ON_ERROR"] = "true"
    task = _work(custom, conf, container, serverless=serverless)
    if serverless:
        task["environment_key"] = _environment(conf, variables)
    else:
        task.update(_cluster(conf, custom, container, variables))
    run_fields = fields_of("submit")
    for name in [name for name in conf if name not in run_fields]:
        task.setdefault(name, conf.pop(name))
    return {**conf, "tasks": [task]}


def _work(
    custom: Mapping[str, Any], conf: dict[str, Any], container: Container, *, serverless: bool
) -> dict[str, Any]:
    """Return the task without its compute; what it takes from ``conf`` is gone there."""
    conf.pop("tasks", None)
    own_file = conf.pop("python_file", None)
    if custom.get("notebookPath"):
        notebook: dict[str, Any] = {"notebook_path": custom["notebookPath"]}
        if custom.get("notebookBaseParameters"):
            notebook["base_parameters"] = custom["notebookBaseParameters"]
        if conf.get("git_source"):
            notebook["source"] = "GIT"
        return {"task_key": "flyte_notebook_task", "notebook_task": notebook}
    conf["git_source"] = conf.get("git_source") or dict(_GIT)
    parameters = list(container.args)
    provider = custom.get("databricksServiceCredentialProvider") or os.environ.get(_PROVIDER)
    if serverless and provider:
        parameters.append(f"--flyte-credential-provider={provider}")
    file = {
        "python_file": own_file or _FILES[serverless],
        "source": "GIT",
        "parameters": parameters,
    }
    return {"task_key": "flyte_task", "spark_python_task": file}


def _environment(conf: dict[str, Any], variables: dict[str, str]) -> str:
    """Give the environment of the task its variables; return its key."""
    key = str(conf.pop("environment_key", None) or "default")
    environments = conf.setdefault("environments", [])
    found = next((item for item in environments if item.get("environment_key") == key), None)
    if found is None:
        found = {"environment_key": key, "spec": {"client": _SERVERLESS_VERSION}}
        environments.append(found)
    spec = found.setdefault("spec", {})
    spec["environment_vars"] = {**spec.get("environment_vars", {}), **variables}
    return key


def _cluster(
    conf: dict[str, Any], custom: Mapping[str, Any], container: Container, variables: dict[str, str]
) -> dict[str, Any]:
    existing, new = conf.pop("existing_cluster_id", None), conf.pop("new_cluster", None)
    if existing is not None or new is None:
        return {"existing_cluster_id": existing}
    if not new.get("docker_image"):
        new["docker_image"] = {"url": container.image}
    new["spark_conf"] = new.get("spark_conf") or dict(custom.get("sparkConf") or {})
    new["spark_env_vars"] = {**(new.get("spark_env_vars") or {}), **variables}
    return {"new_cluster": new}
