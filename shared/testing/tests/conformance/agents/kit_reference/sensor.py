"""The reference sensor."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from flyte_agent_core import AsyncAgent, Attempt, Config, JobMeta, Phase, Resource

from . import words
from .vendor import Vendor, VendorError

TIMEOUT_S = 7200.0


@dataclasses.dataclass
class WaitConfig(Config):
    """What a task of the sensor says."""

    path: str
    timeout_s: float = TIMEOUT_S
    token: str = words.SECRET


@dataclasses.dataclass(kw_only=True)
class WaitMeta(JobMeta):
    """What is waited for."""

    path: str
    timeout_s: float = TIMEOUT_S
    token: str = words.SECRET


class Sensor(AsyncAgent[WaitMeta]):
    """Waits until something is there."""

    name = "Reference Sensor"
    task_type = "kit_reference_sensor"
    meta_type = WaitMeta
    vendor: ClassVar[Vendor]

    async def create(self, attempt: Attempt) -> WaitMeta:
        config = attempt.config(WaitConfig)
        attempt.secret(config.token)
        return WaitMeta(path=config.path, timeout_s=config.timeout_s, token=config.token)

    async def get(self, resource_meta: WaitMeta) -> Resource:
        if await self.ask("is_there"):
            return Resource(phase=Phase.SUCCEEDED, message="it is there")
        if self.clock.time() - resource_meta.created_s > resource_meta.timeout_s:
            waited = f"{resource_meta.path} did not come within {resource_meta.timeout_s:g} s"
            return Resource(phase=Phase.FAILED, message=f"time is up: {waited}")
        return Resource(phase=Phase.RUNNING, message="waiting")

    async def delete(self, resource_meta: WaitMeta) -> None:
        return

    async def ask(self, method: str) -> bool:
        try:
            return await self.vendor.ask("get", method)
        except VendorError as error:
            raise words.to_agent_error(error) from error
