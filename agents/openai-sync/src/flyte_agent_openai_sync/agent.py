"""
Serves ``openai_sync`` tasks: one question to a model of OpenAI's, answered in the call.

flytekit imports this module in every process, so what does the work is imported on first use.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from flyte_agent_core import SyncAgent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_agent_core import Attempt, Resource
    from flyte_agent_core.health import Finding

    from .desk import Desk


class OpenAIAgent(SyncAgent):
    """
    Asks OpenAI, Azure OpenAI, or a server that speaks as they do: chat, embeddings, moderation, images, audio.

    OpenAI takes no idempotency key. A call that Flyte repeats gets the answer that the first one brought as long as
    this replica keeps it, or all replicas do in a store they share (``FLYTE_AGENT_OPENAI_STORE``); otherwise it asks
    again. Also serves the task type of flytekit's own OpenAI plugin.
    """

    name = "OpenAI Agent"
    task_type = "openai_sync"
    aliases = ("chatgpt",)
    stock_module = "flytekitplugins.openai"
    usage_figures: ClassVar[Mapping[str, str]] = {"tokens": "total_tokens", "usd": "cost_usd"}

    @functools.cached_property
    def desk(self) -> Desk:
        """What calls in this process share: limits, circuit breakers, ledgers, kept answers."""
        from .desk import Desk

        # One for the agent and its alias: they spend the same credentials' limits.
        return self.pooled("desk", lambda: Desk(self.clock, self))

    async def do(self, attempt: Attempt) -> Resource:
        """Ask, within the deadline of the call, and answer with typed outputs and what they cost."""
        from . import doing

        return await doing.do(self, attempt)

    def policy_facts(self, attempt: Attempt) -> dict[str, list[str]]:
        """Return the models, addresses and secrets of the task, and its ceilings."""
        from . import facts

        return facts.of(attempt)

    async def warm_up(self) -> None:
        """Import the vendor's SDK, in a thread: it takes longer than a call may."""
        await self.blocking(_import_all)

    async def check_health(self) -> list[Finding]:
        """Look at address, credentials, models and settings; asks for the list of models, which is free."""
        from . import health

        return await health.check(self)


def _import_all() -> Any:
    # What the methods above import.
    from . import client, doing, health  # noqa: F401
