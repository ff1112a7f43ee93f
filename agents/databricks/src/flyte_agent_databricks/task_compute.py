"""Where a job computes: a new cluster, one that is there, or serverless; and what is installed there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flyte_agent_core.fields import invalid

from .config_compute import check_clusters
from .config_names import check_key
from .config_schema import conform

Library = str | Mapping[str, Any]
"""A requirement of pip, the path of a ``.whl``, ``.jar`` or ``requirements.txt``, or REST's ``Library``."""

DEFAULT_ENVIRONMENT = "4"
"""Version of the serverless environment; https://docs.databricks.com/aws/en/release-notes/serverless/environment-version/"""


class NewCluster:
    """
    A cluster that Databricks makes for the run, and takes down after it.

    Args:
        spark_version: Runtime, such as ``16.4.x-scala2.12``.
        node_type_id: Machine of the workers, and of the driver if no other is named.
        num_workers: How many, or
        autoscale: at least and at most how many.
        fields: Any further field of ``ClusterSpec`` in the REST API: ``driver_node_type_id``,
            ``instance_pool_id``, ``policy_id``, ``spark_conf``, ``spark_env_vars``, ``custom_tags``,
            ``init_scripts``, ``docker_image``, ``data_security_mode``, ``aws_attributes``…

    Raises:
        InvalidConfig: A field is unknown, or Databricks would refuse the cluster.
    """

    def __init__(
        self,
        spark_version: str | None = None,
        node_type_id: str | None = None,
        num_workers: int | None = None,
        *,
        autoscale: tuple[int, int] | Mapping[str, int] | None = None,
        **fields: Any,
    ) -> None:
        if isinstance(autoscale, tuple):
            autoscale = dict(zip(("min_workers", "max_workers"), autoscale, strict=False))
        given = {
            "spark_version": spark_version,
            "node_type_id": node_type_id,
            "num_workers": num_workers,
            "autoscale": autoscale,
            **fields,
        }
        self.spec: dict[str, Any] = conform("NewCluster", given, "ClusterSpec")
        check_clusters("NewCluster", self.spec)

    def __eq__(self, other: object) -> bool:
        """Return whether it is a cluster of the same form."""
        return isinstance(other, NewCluster) and self.spec == other.spec

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def __repr__(self) -> str:
        """Return how it was written."""
        return f"NewCluster({', '.join(f'{k}={v!r}' for k, v in self.spec.items())})"


@dataclass
class ExistingCluster:
    """An all-purpose cluster that is there, by its id; Databricks starts it when it is stopped."""

    cluster_id: str

    def __post_init__(self) -> None:
        """Refuse what is no id."""
        found: Any = self.cluster_id
        if not isinstance(found, str) or not found.strip():
            expected = "the id of a cluster, such as '0923-164208-meows279'"
            raise invalid("ExistingCluster.cluster_id", found, expected)


@dataclass
class Serverless:
    """
    Serverless compute.

    Attributes:
        dependencies: Requirements of pip, paths of wheels, ``-r`` files.
        environment_version: Version of the environment, which fixes Python and what is installed.
        base_environment: A YAML file in the workspace instead.
        java_dependencies: JARs.
        key: Name of the environment within the job.
        options: Further fields of ``Environment`` in the REST API.
    """

    dependencies: Sequence[str] = ()
    environment_version: str = ""
    base_environment: str = ""
    java_dependencies: Sequence[str] = ()
    key: str = "flyte"
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no environment."""
        check_key("Serverless.key", self.key)
        conform("Serverless", self.spec(), "Environment")

    def spec(self) -> dict[str, Any]:
        """Return the environment in Databricks' REST API."""
        has_version = self.base_environment or {"client", "environment_version"} & set(self.options)
        version = self.environment_version or (None if has_version else DEFAULT_ENVIRONMENT)
        given = {
            "environment_version": version,
            "base_environment": self.base_environment or None,
            "dependencies": _listed("Serverless.dependencies", self.dependencies) or None,
            "java_dependencies": _listed("Serverless.java_dependencies", self.java_dependencies)
            or None,
            **self.options,
        }
        return {name: value for name, value in given.items() if value is not None}


Compute = NewCluster | ExistingCluster | Serverless


def check_is_compute(where: str, value: Any) -> None:
    """
    Refuse what is no place to compute.

    Raises:
        InvalidConfig: It is not.
    """
    if value is not None and not isinstance(value, (NewCluster, ExistingCluster, Serverless)):
        expected = "NewCluster(…), ExistingCluster('id') or Serverless(…)"
        repair = f"Write ExistingCluster({value!r})." if isinstance(value, str) else ""
        if isinstance(value, Mapping):
            repair = "Write NewCluster(**spec)."
        raise invalid(where, value, expected, repair)


def libraries_of(where: str, given: Sequence[Library]) -> list[dict[str, Any]]:
    """
    Return libraries in Databricks' REST API.

    Raises:
        InvalidConfig: One is none.
    """
    if isinstance(given, (str, Mapping)) or not isinstance(given, Sequence):
        raise invalid(where, given, "a list", f"Write [{given!r}].")
    return [_library(f"{where}[{n}]", library) for n, library in enumerate(given)]


def _library(where: str, given: Any) -> dict[str, Any]:
    if isinstance(given, Mapping):
        made: dict[str, Any] = conform(where, dict(given), "Library")
        return made
    if not isinstance(given, str) or not given.strip():
        raise invalid(where, given, "a requirement, a path, or a dict such as {'maven': {…}}")
    for end, kind in ((".whl", "whl"), (".jar", "jar"), (".txt", "requirements")):
        if given.endswith(end):
            return {kind: given}
    return {"pypi": {"package": given}}


def _listed(where: str, given: Any) -> list[str]:
    if isinstance(given, str) or not all(isinstance(item, str) for item in given):
        raise invalid(where, given, "a list of texts", f"Write [{given!r}].")
    return list(given)
