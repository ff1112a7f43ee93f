"""What the task classes have in common: how they are registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flytekit.core.interface import Interface
from flytekit.models.task import Sql
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from flyte_agent_core import AgentTask
from flyte_agent_core.fields import invalid
from flyte_agent_core.task_options import flytekit_options

from .config import TASK_TYPE, JobRequest
from .task_config import DatabricksConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flytekit.configuration import SerializationSettings


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
