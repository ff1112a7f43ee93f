"""How a workflow author configures a query: :class:`BigQueryConfig`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from flyte_agent_core.fields import invalid

from . import config_names as names
from .config import JOB_KINDS, CostGuard
from .config_fields import strict
from .config_parts import (
    Create,
    KeyResult,
    RangePartitioning,
    SchemaUpdate,
    TimePartitioning,
    Write,
    check_clustering,
)
from .config_rest import rest_configuration

SERVICE_PROJECT = "@service"
"""Value of ``project`` that leaves the choice to the agent service: the project of its credentials."""

_NO_PROJECT = (
    "Write project='my-project', the id of the project that runs and pays for the job, or "
    "project=SERVICE_PROJECT for the project of the agent service's own credentials. The "
    "environment is not asked: it differs between this machine and the cluster."
)


@strict(ProjectID="project", Location="location", QueryJobConfig="job_config")
@dataclass
class BigQueryConfig:
    """
    Where and how a job runs. The README has a table of every field.

    The names ``ProjectID``, ``Location`` and ``QueryJobConfig`` of flytekit's stock plugin are
    taken too.

    Raises:
        InvalidConfig: A field is unknown, of the wrong type, or contradicts another one; the
            message says which, what was found, what was expected and how to repair it.
    """

    project: str = field(metadata={"repair": _NO_PROJECT})
    location: str | None = None
    job_config: Any = None
    destination: str | None = None
    create_disposition: Create | None = None
    write_disposition: Write | None = None
    partitioning: TimePartitioning | RangePartitioning | None = None
    clustering: list[str] | None = None
    schema_update_options: list[SchemaUpdate] | None = None
    default_dataset: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    priority: Literal["INTERACTIVE", "BATCH"] | None = None
    maximum_bytes_billed: int | None = None
    use_query_cache: bool | None = None
    create_session: bool | None = None
    session_id: str | None = None
    connection_properties: dict[str, str] = field(default_factory=dict)
    kms_key: str | None = None
    udfs: list[str] | None = None
    table_definitions: dict[str, dict[str, Any]] | None = None
    continuous: bool | None = None
    write_incremental_results: bool | None = None
    statement_timeout_s: float | None = None
    statement_max_bytes: int | None = None
    key_result_statement: KeyResult | None = None
    reservation: str | None = None
    job_timeout_s: float | None = None
    max_slots: int | None = None
    cost: CostGuard | None = None
    credentials: str | None = None
    impersonate: str | list[str] | None = None

    def __post_init__(self) -> None:
        """Check the fields against each other and against BigQuery's rules."""
        if self.project != SERVICE_PROJECT:
            names.check_project("BigQueryConfig.project", self.project)
        names.check_location("BigQueryConfig.location", self.location)
        names.check_labels("BigQueryConfig.labels", self.labels)
        names.check_secret("BigQueryConfig.credentials", self.credentials)
        names.check_accounts("BigQueryConfig.impersonate", self.chain or [])
        _check_numbers(self)
        _check_session(self)
        _check_paths(self)
        raw = getattr(self.job_config, "to_api_repr", lambda: self.job_config)()
        part = next((p for p in JOB_KINDS if isinstance(raw, dict) and p in raw), "query")
        _check_destination(self, self.rest(part).get("query") or {})

    @property
    def known_project(self) -> str | None:
        """The project, or ``None`` when it is the service's."""
        return None if self.project == SERVICE_PROJECT else self.project

    @property
    def chain(self) -> list[str] | None:
        """The service accounts to act as, in order."""
        return [self.impersonate] if isinstance(self.impersonate, str) else self.impersonate

    def rest(self, part: str = "query") -> dict[str, Any]:
        """
        Return the REST ``JobConfiguration``: the raw one with every field put in.

        Raises:
            InvalidConfig: A field contradicts the raw configuration, or is not for ``part`` jobs.
        """
        return rest_configuration(self, part)


def _check_destination(config: BigQueryConfig, query: dict[str, Any]) -> None:
    """Refuse what describes a destination table when there is none."""
    about = (
        "create_disposition", "write_disposition", "partitioning", "clustering",
        "schema_update_options",
    )  # fmt: skip
    for name in about:
        value = getattr(config, name)
        if value is not None and not query.get("destinationTable"):
            raise invalid(
                f"BigQueryConfig.{name}", value, "a destination to apply it to",
                "Add destination='project.dataset.table'; for CREATE TABLE say it in the SQL.",
            )  # fmt: skip
    if query.get("timePartitioning") and query.get("rangePartitioning"):
        raise invalid("BigQueryConfig.partitioning", "time and range", "one of both")
    check_clustering("BigQueryConfig.clustering", config.clustering)
    _check_schema_update(query)


def _check_schema_update(query: dict[str, Any]) -> None:
    way = query.get("writeDisposition")
    table = (query.get("destinationTable") or {}).get("tableId", "")
    changes = ("WRITE_APPEND", "WRITE_TRUNCATE_DATA", *(["WRITE_TRUNCATE"] if "$" in table else []))
    if query.get("schemaUpdateOptions") and way not in changes:
        raise invalid(
            "BigQueryConfig.write_disposition", way, "WRITE_APPEND or WRITE_TRUNCATE_DATA",
            "BigQuery takes schema_update_options with these only, and with WRITE_TRUNCATE on a "
            "partition (table$20241231).",
        )  # fmt: skip


def _check_numbers(config: BigQueryConfig) -> None:
    for name in ("maximum_bytes_billed", "statement_max_bytes", "max_slots"):
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise invalid(f"BigQueryConfig.{name}", value, "a number above 0")


def _check_session(config: BigQueryConfig) -> None:
    if config.create_session and config.session_id:
        raise invalid(
            "BigQueryConfig.create_session", config.create_session, "create_session or session_id, not both",
            "session_id goes on with a session that another job created.",
        )  # fmt: skip


def _check_paths(config: BigQueryConfig) -> None:
    for name, pattern, example in _PATHS:
        value = getattr(config, name)
        if value is not None and not re.fullmatch(pattern, value):
            raise invalid(f"BigQueryConfig.{name}", value, example)


_PATHS = (
    (
        "kms_key",
        r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+",
        "'projects/P/locations/L/keyRings/R/cryptoKeys/K'",
    ),
    (
        "reservation",
        r"none|projects/[^/]+/locations/[^/]+/reservations/[^/]+",
        "'projects/P/locations/L/reservations/R', or 'none' for on-demand pricing",
    ),
)
