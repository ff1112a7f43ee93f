"""The module that an entry point would name."""

from __future__ import annotations

from flyte_agent_core import register

from .core_agent import CoreAgent
from .http_agent import KilnAgent
from .sensor import Sensor
from .sync_agent import WorkOutAgent

for agent_class in (CoreAgent, KilnAgent, WorkOutAgent, Sensor):
    register(agent_class)
