"""What ``create`` and ``do`` are called with."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, TypeVar

from flyteidl.admin.agent_pb2 import TaskExecutionMetadata
from flyteidl.core.literals_pb2 import LiteralMap
from flyteidl.core.tasks_pb2 import TaskTemplate
from google.protobuf.json_format import MessageToDict

from . import secrets
from .config import Config
from .identity import Identity, attempt_key, identify, job_id
from .inputs import decode_inputs, restore_ints
from .outputs import OutputSpec

if TYPE_CHECKING:
    from .secrets import Secret

C = TypeVar("C", bound=Config)


@dataclasses.dataclass(frozen=True)
class Attempt:
    """
    One attempt at a task, as Flyte describes it.

    Attributes:
        template: The task, as the author registered it. ``custom`` and the SQL come verbatim,
            unrendered.
        literals: The inputs as Flyte's literals; :attr:`inputs` has them as Python values.
        output_prefix: Where Flyte looks for the outputs of this attempt if ``get`` gives none.
        identity: Flyte's names for it.
        key: 32 hex digits, equal for every repetition of create for this attempt, and for no other.
    """

    template: TaskTemplate
    literals: LiteralMap
    output_prefix: str
    identity: Identity
    key: str

    @classmethod
    def of(
        cls,
        task_template: Any,
        output_prefix: str,
        inputs: Any = None,
        task_execution_metadata: Any = None,
    ) -> Attempt:
        """Return the attempt in a create call of flyteidl's messages or flytekit's models."""
        template: TaskTemplate = _message(task_template, TaskTemplate)
        metadata = _message(task_execution_metadata, TaskExecutionMetadata)
        identity = identify(template, metadata)
        literals: LiteralMap = _message(inputs, LiteralMap) or LiteralMap()
        return cls(
            template, literals, output_prefix, identity, attempt_key(output_prefix, identity)
        )

    @functools.cached_property
    def custom(self) -> dict[str, Any]:
        """The task's ``custom``; whole numbers that a Struct made floats are ints again."""
        restored: dict[str, Any] = restore_ints(MessageToDict(self.template.custom))
        return restored

    @functools.cached_property
    def inputs(self) -> dict[str, Any]:
        """The inputs as Python values; see :func:`flyte_agent_core.inputs.decode_inputs`."""
        return decode_inputs(self.literals)

    @functools.cached_property
    def output_spec(self) -> OutputSpec:
        """Names and types of the declared outputs."""
        return OutputSpec.of(self.template.interface)

    @property
    def sql(self) -> str:
        """The SQL statement, verbatim."""
        return str(self.template.sql.statement)

    @property
    def timeout_s(self) -> float:
        """Seconds the task may take by its own metadata; 0 when it does not say."""
        timeout = self.template.metadata.timeout
        return float(timeout.seconds + timeout.nanos / 1e9)

    def config(self, cls: type[C]) -> C:
        """Return ``custom`` as ``cls``; a mistake in it is an ``InvalidConfig``."""
        return cls.from_custom(self.custom)

    def job_id(self, generation: int = 0) -> str:
        """
        Return the vendor id of this attempt's job: at most 64 characters of ``[A-Za-z0-9_-]``.

        Args:
            generation: Above 0 for the job that replaces one this service itself cancelled.
        """
        return job_id(self.key, self.identity, generation)

    def secret(self, name: str) -> Secret:
        """Return the secret called ``name`` for this attempt's project and domain."""
        return secrets.resolve(name, project=self.identity.project, domain=self.identity.domain)


def _message(value: Any, kind: type[Any]) -> Any:
    """Return a flyteidl message: what a server has, or what flytekit's model of it turns into."""
    if value is None or isinstance(value, kind):
        return value
    return value.to_flyte_idl()
