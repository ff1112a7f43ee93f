"""The reference sync agent."""

from __future__ import annotations

from typing import ClassVar

from flyte_agent_core import Attempt, Phase, Resource, SyncAgent, TaskError

from . import words
from .vendor import Vendor, VendorError


class WorkOutAgent(SyncAgent):
    """Has the vendor work something out."""

    name = "Reference Sync Agent"
    task_type = "kit_reference_sync"
    vendor: ClassVar[Vendor]

    async def do(self, attempt: Attempt) -> Resource:
        config = attempt.config(words.WorkConfig)
        attempt.secret(config.token)
        if config.number < 0 and config.note == "positive":
            raise TaskError(f"number: found {config.number}, expected a positive one")
        result = await self.ask(attempt.key, config.request())
        outputs = attempt.output_spec.literal_map(result)
        return Resource(
            phase=Phase.SUCCEEDED,
            message="done",
            outputs=outputs,
            links={"Vendor": "https://vendor.example/answers"},
            custom_info={"bytes_read": result["bytes_read"]},
        )

    async def ask(self, key: str, request: dict[str, object]) -> dict[str, int]:
        try:
            return await self.vendor.ask("do", "work_out", key, request)
        except VendorError as error:
            raise words.to_agent_error(error) from error
