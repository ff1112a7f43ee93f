"""What the task classes have in common: how they are registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flytekit.core.interface import Interface
from flytekit.models.task import Sql
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from flyte_agent_core import AgentTask
from flyte_agent_core.task_options import flytekit_options

from .config import TASK_TYPE, JobRequest
from .config_author import BigQueryConfig
from .types_transformers import register_transformers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flytekit.configuration import SerializationSettings

    from .config_sensor import SensorRequest

register_transformers()

OUTPUT = "results"
"""Name of a task's output; the one flytekit's stock plugin uses."""


class BigQueryBaseTask(AgentTask[BigQueryConfig]):
    """
    Base of the tasks of this package: what is asked for in ``custom``, the SQL beside it.

    Attributes:
        request: What the agent is asked to do.
        sql: The query, verbatim; empty for jobs that run none.
    """

    request: JobRequest | SensorRequest
    sql: str

    def __init__(
        self,
        name: str,
        *,
        config: BigQueryConfig,
        request: JobRequest | SensorRequest,
        sql: str,
        inputs: Mapping[str, Any],
        outputs: Mapping[str, Any],
        options: Mapping[str, Any],
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
        message = Struct()
        message.update(self.request.to_custom())
        made: dict[str, Any] = MessageToDict(message)
        return made

    def get_sql(self, settings: SerializationSettings) -> Sql | None:
        """Return the SQL exactly as it was written."""
        return Sql(statement=self.sql, dialect=Sql.Dialect.ANSI) if self.sql else None
