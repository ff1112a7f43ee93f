"""The reference sync agent without the core: every rule kept by hand, on flytekit's own base."""

from __future__ import annotations

import hashlib
from typing import Any, ClassVar

from flytekit.extend.backend.base_connector import (
    SyncConnectorBase,  # an agent without the core
)
from google.protobuf.json_format import MessageToDict

from flyte_agent_core import AgentError, Phase, Resource, TaskError
from flyte_agent_core.deadline import allow
from flyte_agent_core.inputs import restore_ints
from flyte_agent_core.outputs import OutputSpec
from flyte_agent_core.rpc import remaining_s
from flyte_agent_core.secrets import resolve

from . import words
from .vendor import Vendor, VendorError


class RawSyncAgent(SyncConnectorBase):
    """Has the vendor work something out."""

    name = "Raw Sync Agent"
    task_type = "kit_reference_sync"
    vendor: ClassVar[Vendor]

    def __init__(self, clock: Any) -> None:
        super().__init__(task_type_name=self.task_type)

    async def do(
        self, task_template: Any, output_prefix: str, inputs: Any = None, **kwargs: Any
    ) -> Resource:
        template = task_template.to_flyte_idl()
        try:
            with allow(self.budget_s()):
                result = await self.ask(self.key(output_prefix), self.request(template))
        except TaskError as error:
            return self.failed(Phase.FAILED, error)
        except (AgentError, TimeoutError) as error:
            return self.failed(Phase.RETRYABLE_FAILED, error)
        return self.done(template, result)

    def budget_s(self) -> float:
        return remaining_s()

    def key(self, output_prefix: str) -> str:
        return hashlib.sha256(output_prefix.encode()).hexdigest()

    def request(self, template: Any) -> dict[str, Any]:
        config = words.WorkConfig.from_custom(restore_ints(MessageToDict(template.custom)))
        resolve(config.token)
        if config.number < 0 and config.note == "positive":
            raise TaskError(f"number: found {config.number}, expected a positive one")
        return config.request()

    def failed(self, phase: Phase, error: Exception) -> Resource:
        said = str(error) or "no answer within the call's deadline"
        return Resource(phase=phase, message=said.replace("\x00", " ")[:500])

    def done(self, template: Any, result: dict[str, int]) -> Resource:
        outputs = OutputSpec.of(template.interface).literal_map(result)
        return Resource(phase=Phase.SUCCEEDED, outputs=outputs)

    async def ask(self, key: str, request: dict[str, Any]) -> dict[str, int]:
        try:
            return await self.vendor.ask("do", "work_out", key, request)
        except VendorError as error:
            raise words.to_agent_error(error) from error
