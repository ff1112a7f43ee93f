"""On what a task of a run computes: clusters, pools, policies, serverless environments, warehouses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import did_you_mean, invalid

from .config_names import check_held, check_key, check_no_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

COMPUTE = ("new_cluster", "existing_cluster_id", "environment_key")
"""Fields of a task of which it has at most one."""

NO_COMPUTE = frozenset({
    "alert_task", "clean_rooms_notebook_task", "condition_task", "dashboard_task", "dbt_cloud_task",
    "dbt_platform_task", "for_each_task", "pipeline_task", "power_bi_task", "run_job_task", "sql_task",
})  # fmt: skip
"""Kinds of work that bring their own compute, or need none."""

NEEDS_CLUSTER = frozenset({"spark_submit_task"})
"""Kinds that run on a new cluster only."""

NEEDS_ENVIRONMENT = frozenset({"spark_python_task", "python_wheel_task", "spark_jar_task"})
"""Kinds that need an environment where they have no cluster."""


def check_compute(
    where: str, task: Mapping[str, Any], kind: str, request: Mapping[str, Any], *, body: bool
) -> None:
    """
    Compare a task's compute with what its kind can run on.

    Raises:
        InvalidConfig: They do not fit.
    """
    found = [name for name in COMPUTE if name in task]
    if len(found) > 1:
        raise invalid(where, found, f"at most one of {', '.join(COMPUTE)}")
    if found and kind in NO_COMPUTE:
        raise invalid(
            f"{where}.{found[0]}", task[found[0]], f"nothing: a {kind} has no cluster of its own"
        )
    if kind in NEEDS_CLUSTER and found != ["new_cluster"]:
        raise invalid(where, found, f"new_cluster: a {kind} runs on nothing else")
    if not found and (body or kind in NEEDS_ENVIRONMENT):
        raise invalid(
            where, "no compute", f"one of {', '.join(COMPUTE)}",
            "For serverless compute write environment_key, and an environment of that key in 'environments'.",
        )  # fmt: skip
    if kind == "dbt_task" and not found and "warehouse_id" not in task[kind]:
        raise invalid(where, "no compute", f"dbt_task.warehouse_id, or one of {', '.join(COMPUTE)}")
    if "environment_key" in task:
        _check_environment(where, task, request)


def _check_environment(where: str, task: Mapping[str, Any], request: Mapping[str, Any]) -> None:
    key = task["environment_key"]
    known = [environment["environment_key"] for environment in request.get("environments", ())]
    if key not in known:
        expected = f"one of environments: {', '.join(known) or '(there are none)'}"
        raise invalid(f"{where}.environment_key", key, expected, did_you_mean(key, known))
    if "libraries" in task:
        raise invalid(
            f"{where}.libraries", task["libraries"], "none on serverless compute",
            "Put them into the environment's spec: dependencies, or java_dependencies for jars.",
        )  # fmt: skip


def check_environments(where: str, request: Mapping[str, Any]) -> None:
    """
    Refuse environments without a key, without a version, or twice.

    Raises:
        InvalidConfig: There is one.
    """
    keys = []
    for n, environment in enumerate(request.get("environments", ())):
        at = f"{where}[{n}]"
        keys.append(check_key(f"{at}.environment_key", environment["environment_key"]))
        spec = environment.get("spec", {})
        if not any(
            spec.get(name) for name in ("environment_version", "client", "base_environment")
        ):
            raise invalid(
                f"{at}.spec.environment_version",
                None,
                "a version such as '4'",
                "Databricks refuses one without.",
            )
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise invalid(where, twice[0], "each environment_key once")


def check_clusters(where: str, cluster: Mapping[str, Any] | None) -> None:
    """
    Refuse clusters that Databricks would refuse after minutes, or that hold a secret.

    Raises:
        InvalidConfig: Something is wrong.
    """
    if cluster is None:
        return
    _check_secrets(where, cluster)
    _check_size(where, cluster)
    if "policy_id" in cluster:
        return  # what is missing may come from the policy
    if "spark_version" not in cluster:
        raise invalid(
            f"{where}.spark_version",
            None,
            "a runtime such as '16.4.x-scala2.12'",
            "Or name a policy_id.",
        )
    machines = [name for name in ("node_type_id", "instance_pool_id") if name in cluster]
    flexible = (
        "worker_node_type_flexibility" in cluster or cluster.get("is_single_node") is not None
    )
    if len(machines) != 1 and not (flexible and len(machines) < 2):
        raise invalid(where, machines, "exactly one of node_type_id and instance_pool_id")


def _check_size(where: str, cluster: Mapping[str, Any]) -> None:
    scale, workers = cluster.get("autoscale"), cluster.get("num_workers")
    if scale is not None and workers is not None:
        raise invalid(where, ["autoscale", "num_workers"], "one of both")
    if scale is not None and not 0 <= scale.get("min_workers", 0) <= scale.get("max_workers", -1):
        raise invalid(
            f"{where}.autoscale",
            scale,
            "min_workers and max_workers, the second not below the first",
        )
    if workers is not None and workers < 0:
        raise invalid(f"{where}.num_workers", workers, "0 or more")
    single = cluster.get("is_single_node") or "singleNode" in str(cluster.get("spark_conf", {}))
    if workers == 0 and not single:
        raise invalid(
            f"{where}.num_workers", 0, "1 or more, or is_single_node=True with kind 'CLASSIC_PREVIEW'",
            "A cluster without workers waits for them for ever.",
        )  # fmt: skip
    sized = single or scale is not None or workers is not None
    if not sized and "policy_id" not in cluster:
        raise invalid(f"{where}.num_workers", None, "a number of workers, or autoscale")


def _check_secrets(where: str, cluster: Mapping[str, Any]) -> None:
    password = cluster.get("docker_image", {}).get("basic_auth", {}).get("password")
    if password:
        check_held(f"{where}.docker_image.basic_auth.password", password)
    key = (
        cluster
        .get("azure_attributes", {})
        .get("log_analytics_info", {})
        .get("log_analytics_primary_key")
    )
    if key:
        check_held(f"{where}.azure_attributes.log_analytics_info.log_analytics_primary_key", key)
    for name in ("spark_conf", "spark_env_vars"):
        check_no_secrets(f"{where}.{name}", cluster.get(name, {}))
