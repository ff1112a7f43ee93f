"""The author's side of the reference agent."""

from __future__ import annotations

from typing import Any

from flytekit.configuration import SerializationSettings
from flytekit.core.interface import Interface

from flyte_agent_core import AgentTask

from .agent import EchoConfig, ReferenceConfig


class ReferenceTask(AgentTask[ReferenceConfig]):
    """A job of the reference agent."""

    def __init__(
        self, name: str, config: ReferenceConfig, inputs: dict[str, type], outputs: dict[str, type]
    ) -> None:
        super().__init__("reference_job", name, config, interface=Interface(inputs, outputs))

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        """Return the configuration."""
        return self.task_config.to_custom()


class EchoTask(AgentTask[EchoConfig]):
    """Something the echo agent says."""

    def __init__(self, name: str, config: EchoConfig) -> None:
        super().__init__("reference_echo", name, config, interface=Interface({}, {}))

    def get_custom(self, settings: SerializationSettings) -> dict[str, Any]:
        """Return the configuration."""
        return self.task_config.to_custom()
