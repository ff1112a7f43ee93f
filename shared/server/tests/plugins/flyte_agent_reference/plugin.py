"""Entry point of the group ``flytekit.plugins``."""

from __future__ import annotations

from flyte_agent_core import register

from .agent import EchoAgent, ReferenceAgent

register(ReferenceAgent)
register(EchoAgent)
