"""What the task classes have in common: how they are registered."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flytekit.core.base_task import TaskMetadata
from flytekit.core.interface import Interface
from flytekit.models.task import Sql
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from flyte_agent_core import AgentTask

from .config import TASK_TYPE, JobRequest
from .config_fields import did_you_mean, invalid
from .task_config import DatabricksConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flytekit.configuration import SerializationSettings

_METADATA = tuple(f.name for f in dataclasses.fields(TaskMetadata))
_FLYTEKIT = (
    "metadata", "environment", "docs", "security_ctx", "disable_deck", "enable_deck", "deck_fields",
)  # fmt: skip


class DatabricksBaseTask(AgentTask[DatabricksConfig]):
    """
    Base of the tasks whose work is Databricks' own.

    Attributes:
        request: What the agent is asked to do.
        sql: The statement, verbatim; empty for jobs.
    """

    request: JobRequest
    sql: str

    def __init__(
        self,
        name: str,
        *,
        config: DatabricksConfig,
        request: JobRequest,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any],
        options: Mapping[str, Any],
        sql: str = "",
    ) -> None:
        flytekit = flytekit_options(type(self).__name__, options)
        self.request = request
        self.sql = sql
        super().__init__(
            task_type=TASK_TYPE,
            name=name,
            task_config=config,
            interface=Interface(inputs=dict(inputs), outputs=dict(outputs)),
            **flytekit,
        )

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        """Return the request as Flyte keeps it; numbers are doubles there, so big ones are text."""
        return as_struct(self.request)

    def get_sql(self, settings: SerializationSettings) -> Sql | None:
        """Return the SQL exactly as it was written."""
        return Sql(statement=self.sql, dialect=Sql.Dialect.ANSI) if self.sql else None


def as_struct(request: JobRequest) -> dict[str, Any]:
    """Return a request as it comes back out of Flyte."""
    message = Struct()
    message.update(request.to_custom())
    made: dict[str, Any] = MessageToDict(message)
    return made


def check_config(where: str, config: Any) -> DatabricksConfig:
    """
    Return a task's configuration; none is that of the service.

    Raises:
        InvalidConfig: It is of another class.
    """
    if config is None:
        return DatabricksConfig()
    if not isinstance(config, DatabricksConfig):
        repair = "Import DatabricksConfig from flyte_agent_databricks."
        raise invalid(f"{where}.config", config, "a DatabricksConfig", repair)
    return config


def flytekit_options(where: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return flytekit's own arguments, with those of ``TaskMetadata`` put into one."""
    known = (*_FLYTEKIT, *_METADATA)
    for name in options:
        if name not in known:
            repair = did_you_mean(name, known) or f"Known: {', '.join(known)}."
            raise invalid(where, name, "an argument of the task or of flytekit", repair)
    given = {name: value for name, value in options.items() if name in _METADATA}
    rest = {name: value for name, value in options.items() if name not in _METADATA}
    if given and rest.get("metadata") is not None:
        raise invalid(
            where, next(iter(given)), "metadata=TaskMetadata(...) or its fields, not both"
        )
    rest["metadata"] = rest.get("metadata") or TaskMetadata(**given)
    return rest
