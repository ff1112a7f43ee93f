"""What a task touches, for a service's policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .account import address_of
from .asked import request_of

if TYPE_CHECKING:
    from flyte_agent_core import Attempt


def of(attempt: Attempt) -> dict[str, list[str]]:
    """
    Return the facts of an attempt; fallbacks count, for they may be asked.

    Raises:
        TaskError: The task is wrong.
    """
    request = request_of(attempt)
    config, targets = request.config, request.config.targets
    return {
        "kind": [request.kind],
        "model": sorted({target.model for target in targets}),
        "endpoint": sorted({address_of(target) for target in targets}),
        "secret": sorted({target.credentials for target in targets if target.credentials}),
        "tool": sorted({str(tool.get("type") or "function") for tool in request.tools}),
        "max_tokens": [] if config.max_tokens is None else [str(config.max_tokens)],
        "max_usd": [] if config.max_usd is None else [str(config.max_usd)],
    }
