"""
The configuration of flytekit's stock plugin, for workflows that change nothing but an import.

``from flyte_agent_databricks import DatabricksV2`` in the place of ``flytekitplugins.spark``: the same
fields, run by this package's entry point instead of one that is fetched from GitHub.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flytekit.extend import TaskPlugins

from flyte_agent_core.fields import did_you_mean, invalid

from .config import OutputSource
from .task_base import as_struct
from .task_body import DatabricksBodyTask, body_request
from .task_compute import ExistingCluster, NewCluster, Serverless
from .task_config import RUN_FIELDS, DatabricksJob
from .task_kinds import Notebook
from .task_request import submit_of

if TYPE_CHECKING:
    from flytekit.configuration import SerializationSettings

    from .config import JobRequest


@dataclass
class DatabricksV2:
    """
    What ``flytekitplugins.spark.DatabricksV2`` takes, field by field.

    Attributes:
        spark_conf: Spark's configuration of a new cluster, and of a run on your machine.
        hadoop_conf: Of no effect on Databricks, as in the plugin; so are the next four.
        executor_path: See ``hadoop_conf``.
        applications_path: See ``hadoop_conf``.
        driver_pod: See ``hadoop_conf``.
        executor_pod: See ``hadoop_conf``.
        databricks_conf: The request of a run: compute, and what else ``jobs/runs/submit`` takes.
        databricks_instance: Address of the workspace.
        databricks_service_credential_provider: As ``service_credential`` of :class:`DatabricksJob`.
        databricks_token_secret: Name of the secret with the credentials, as ``credentials``.
        databricks_auth_type: Not taken here: what the secret holds says it.
        databricks_client_id: Not taken here: it is in the secret.
        databricks_oauth_secret: Name of the secret with the credentials, as ``credentials``.
        databricks_oidc_token_file: Not taken here: a setting of the service.
        databricks_oidc_audience: Not taken here: a setting of the service.
        notebook_path: Run this notebook, and not the body.
        notebook_base_parameters: Its parameters.
    """

    spark_conf: dict[str, str] | None = None
    hadoop_conf: dict[str, str] | None = None
    executor_path: str | None = None
    applications_path: str | None = None
    driver_pod: Any = None
    executor_pod: Any = None
    databricks_conf: dict[str, Any] | None = None
    databricks_instance: str | None = None
    databricks_service_credential_provider: str | None = None
    databricks_token_secret: str | None = None
    databricks_auth_type: str | None = None
    databricks_client_id: str | None = None
    databricks_oauth_secret: str | None = None
    databricks_oidc_token_file: str | None = None
    databricks_oidc_audience: str | None = None
    notebook_path: str | None = None
    notebook_base_parameters: dict[str, str] | None = None

    def job(self) -> DatabricksJob:
        """
        Return the same as this package's own configuration.

        Raises:
            InvalidConfig: It says something that is said otherwise here.
        """
        for name, instead in _ELSEWHERE.items():
            if getattr(self, name) is not None:
                raise invalid(f"DatabricksV2.{name}", getattr(self, name), "nothing", instead)
        conf = copy.deepcopy(self.databricks_conf or {})
        for name in (
            ("git_source", "python_file") if self.notebook_path is None else ("python_file",)
        ):
            if name in conf:
                raise invalid(f"databricks_conf.{name}", conf[name], "nothing", _OWN_ENTRY)
        compute = _compute(conf, self.spark_conf or {})
        known = {name: conf.pop(name) for name in RUN_FIELDS if name in conf}
        return DatabricksJob(
            host=self.databricks_instance or "",
            credentials=self.databricks_token_secret or self.databricks_oauth_secret or "",
            compute=compute,
            libraries=conf.pop("libraries", ()),
            run_name=conf.pop("run_name", ""),
            timeout_s=int(conf.pop("timeout_seconds", 0)),
            service_credential=self.databricks_service_credential_provider or "",
            spark=True,
            spark_conf=self.spark_conf or {},
            on_code_failure="fail",
            **known,
            **_rest(conf),
        )


Databricks = DatabricksV2
"""The plugin's older name."""

_ON_SERVICE = "Say it in the secret that the service has; see the page on credentials."
_ELSEWHERE = {
    "databricks_auth_type": _ON_SERVICE,
    "databricks_client_id": _ON_SERVICE,
    "databricks_oidc_token_file": _ON_SERVICE,
    "databricks_oidc_audience": _ON_SERVICE,
}
_OWN_ENTRY = (
    "The body is run by this package's own entry point. To run your own file, write a DatabricksTask "
    "with PythonFile; the agent still runs what flytekitplugins-spark has registered."
)


def _rest(conf: dict[str, Any]) -> dict[str, Any]:
    if conf:
        name = next(iter(conf))
        repair = did_you_mean(name, (*RUN_FIELDS, "new_cluster", "run_name", "timeout_seconds"))
        raise invalid(f"databricks_conf.{name}", conf[name], "a field of jobs/runs/submit", repair)
    return {}


def _compute(conf: dict[str, Any], spark_conf: dict[str, str]) -> Any:
    """Take the compute out of a request."""
    cluster, existing = conf.pop("new_cluster", None), conf.pop("existing_cluster_id", None)
    key, environments = conf.pop("environment_key", None), conf.pop("environments", None) or []
    if existing is not None:
        return ExistingCluster(existing)
    if cluster is not None:
        return NewCluster(**{"spark_conf": spark_conf, **cluster} if spark_conf else cluster)
    if key is None and not environments:
        raise invalid(
            "databricks_conf", sorted(conf),
            "one of existing_cluster_id, new_cluster, environment_key and environments",
        )  # fmt: skip
    wanted = key or environments[0].get("environment_key", "default")
    specs = [e.get("spec") or {} for e in environments if e.get("environment_key") == wanted]
    spec = dict(specs[0]) if specs else {}
    variables = spec.pop("environment_vars", None)
    if variables:
        raise invalid(
            "environments.spec.environment_vars", variables, "nothing", "Use @task(environment=…)."
        )
    return Serverless(spec.pop("dependencies", ()), key=wanted, options=spec)


class DatabricksV2Task(DatabricksBodyTask):
    """The task that ``@task(task_config=DatabricksV2(…))`` makes."""

    def __init__(self, task_config: DatabricksV2, task_function: Any, **kwargs: Any) -> None:
        self._stock = task_config
        super().__init__(task_config.job(), task_function, **kwargs)

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        """Return the request; a new cluster has the task's image, as the plugin gives it."""
        return as_struct(self._request(settings))

    def _request(self, settings: SerializationSettings) -> JobRequest:
        config: DatabricksJob = self.task_config
        if isinstance(config.compute, NewCluster) and "docker_image" not in config.compute.spec:
            image = {"url": self.get_image(settings)}
            config = dataclasses.replace(
                config, compute=NewCluster(**config.compute.spec, docker_image=image)
            )
        if self._stock.notebook_path is None:
            return body_request(config, self._secrets)
        source = "GIT" if config.git_source else None
        parameters = self._stock.notebook_base_parameters or {}
        notebook = Notebook(self._stock.notebook_path, parameters, source)
        outputs = OutputSource("exit_value" if self.python_interface.outputs else "none")
        return config.request(submit=submit_of(notebook, config, {}), outputs=outputs)


TaskPlugins.register_pythontask_plugin(DatabricksV2, DatabricksV2Task)
