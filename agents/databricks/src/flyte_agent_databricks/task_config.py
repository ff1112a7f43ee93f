"""What an author says of a run beside its work: where, as whom, on what, and what to make of its end."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from flyte_agent_core.fields import invalid

from .config_names import check_host, check_secret
from .config_schema import conform, fields_of
from .task_compute import Compute, Library, check_is_compute, libraries_of

if TYPE_CHECKING:
    from .config import JobRequest


@dataclass
class DatabricksConfig:
    """
    Where and how a task runs; every mistake in it is told when it is made.

    Attributes:
        host: Address of the workspace; that of the agent service if not given.
        credentials: Name of the secret with the credentials; the service's own if not given.
        compute: What the work runs on, where it does not say itself.
        libraries: What is installed there.
        run_name: Name of the run; Flyte's names of the execution and the node if not given.
        timeout_s: When Databricks ends the run; the task's own timeout and a minute if not given.
        git_source: Repository of notebooks and files: ``git_url``, ``git_provider``, and ``git_branch``,
            ``git_tag`` or ``git_commit``.
        access_control_list: Who may see and cancel the run.
        run_as: Whose rights the run has.
        email_notifications: Whom to write to, by event.
        webhook_notifications: Which destinations to call, by event.
        notification_settings: When not to.
        health: Rules whose breach is notified.
        queue: ``{"enabled": True}`` has the run wait for a free slot of the workspace.
        performance_target: Of serverless runs: ``STANDARD``, ``PERFORMANCE_OPTIMIZED`` or ``COST_OPTIMIZED``.
        duration_target: Window of ``COST_OPTIMIZED``, such as ``4h``.
        budget_policy_id: Budget policy of serverless runs.
        usage_policy_id: Usage policy of serverless runs.
        success_with_failures: ``succeed`` or ``fail``: what a run is whose last tasks succeeded, though
            others failed.
        on_code_failure: ``retry`` or ``fail``: whether Flyte's ``retries`` count when the code failed.
        repair: Whether a retry repairs the run, and so leaves out what has succeeded.
        extra: Fields of the request that this version does not know, sent as they are.
    """

    host: str = ""
    credentials: str = ""
    compute: Compute | None = None
    libraries: Sequence[Library] = ()
    run_name: str = ""
    timeout_s: int = 0
    git_source: Mapping[str, Any] | None = None
    access_control_list: Sequence[Mapping[str, Any]] | None = None
    run_as: Mapping[str, str] | None = None
    email_notifications: Mapping[str, Any] | None = None
    webhook_notifications: Mapping[str, Any] | None = None
    notification_settings: Mapping[str, Any] | None = None
    health: Mapping[str, Any] | None = None
    queue: Mapping[str, Any] | None = None
    performance_target: str | None = None
    duration_target: str | None = None
    budget_policy_id: str | None = None
    usage_policy_id: str | None = None
    success_with_failures: Literal["succeed", "fail"] = "succeed"
    on_code_failure: Literal["retry", "fail"] | None = None
    repair: bool = True
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what can be known to be wrong."""
        name = type(self).__name__
        for text in ("host", "credentials", "run_name"):
            if not isinstance(getattr(self, text), str):
                raise invalid(f"{name}.{text}", getattr(self, text), "text")
        check_host(f"{name}.host", self.host)
        check_secret(f"{name}.credentials", self.credentials)
        check_is_compute(f"{name}.compute", self.compute)
        libraries_of(f"{name}.libraries", self.libraries)
        for choice, options in _CHOICES.items():
            if getattr(self, choice) not in options:
                expected = " or ".join(repr(option) for option in options if option)
                raise invalid(f"{name}.{choice}", getattr(self, choice), expected)
        timeout_s: Any = self.timeout_s
        if isinstance(timeout_s, bool) or not isinstance(timeout_s, int) or timeout_s < 0:
            raise invalid(f"{name}.timeout_s", timeout_s, "whole seconds, or 0")
        for field_name in RUN_FIELDS:
            value = getattr(self, field_name)
            if value is not None:
                conform(f"{name}.{field_name}", value, fields_of("submit")[field_name])

    def run(self) -> dict[str, Any]:
        """Return the fields of a run in Databricks' REST API that are not about its tasks."""
        given = {name: getattr(self, name) for name in RUN_FIELDS}
        return {name: value for name, value in given.items() if value is not None}

    def request(self, **parts: Any) -> JobRequest:
        """Return the request of a task with this configuration."""
        from .config import JobRequest

        common: dict[str, Any] = {
            "host": self.host,
            "credentials": self.credentials,
            "success_with_failures": self.success_with_failures,
            "on_code_failure": self.on_code_failure or "retry",
            "repair": self.repair,
            "timeout_s": self.timeout_s,
            "extra": self.extra,
        }
        return JobRequest(**{**common, **parts})


RUN_FIELDS = (
    "git_source", "access_control_list", "run_as", "email_notifications", "webhook_notifications",
    "notification_settings", "health", "queue", "performance_target", "duration_target", "budget_policy_id",
    "usage_policy_id",
)  # fmt: skip
"""Fields of the configuration that are fields of ``jobs/runs/submit``."""

_CHOICES = {
    "success_with_failures": ("succeed", "fail"),
    "on_code_failure": ("retry", "fail", None),
    "repair": (True, False),
}


@dataclass
class DatabricksJob(DatabricksConfig):
    """
    Run the body of a ``@task`` on Databricks: ``@task(task_config=DatabricksJob(…))``.

    Attributes:
        env: Environment variables of the body's process, beside those of ``@task(environment=…)``.
        secrets: Environment variables whose values are in a Databricks secret scope: name to ``scope/key``.
        service_credential: Unity Catalog service credential with which the process reads and writes Flyte's
            storage, where the compute has no rights of its own.
        package: What provides this package on the compute: a requirement of pip, the path of a wheel in the
            workspace or a volume, or ``""`` when the compute has it already; this very version if not given.
        spark: The body gets the session that Databricks has, as ``current_context().spark_session``; ``True`` makes
            one where it runs on your machine too, ``False`` gives none.
        spark_conf: Configuration of that session where the body runs on your machine.
    """

    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    service_credential: str = ""
    package: str | None = None
    spark: bool | None = None
    spark_conf: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what can be known to be wrong."""
        super().__post_init__()
        for name in ("env", "secrets", "spark_conf"):
            value = getattr(self, name)
            setattr(self, name, conform(f"DatabricksJob.{name}", value, "{str"))


def fields_in(config: type[DatabricksConfig]) -> list[str]:
    """Return the names of a configuration's fields, for documentation and its tests."""
    return [f.name for f in dataclasses.fields(config)]
