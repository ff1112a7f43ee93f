"""
How fast one account calls a workspace: never faster than it is allowed to, whatever that is today.

Databricks' limits differ by method, workspace and contract, and what is published about them disagrees, so none is
written down here: a high rate to begin with, which refusals bring down and answers bring up again.
"""

from __future__ import annotations

import os
import time

from flyte_agent_core import AgentError, RetryableError, TaskError, observe
from flyte_agent_core.limiter import Limiter

VARIABLE = "FLYTE_AGENT_DATABRICKS_CALLS_PER_S"
"""Environment of the service: another rate to begin with."""

TOO_FAST = frozenset({
    "DATABRICKS.REQUEST_LIMIT_EXCEEDED", "DATABRICKS.RESOURCE_EXHAUSTED", "DATABRICKS.TOO_MANY_REQUESTS",
})  # fmt: skip
"""Codes of refusals for the rate."""

_CALLS_PER_S = 200.0
_BURST = 200


class Rate:
    """The rate of one client; used from its threads."""

    def __init__(self) -> None:
        self.limiter = Limiter(_configured(), burst=_BURST)

    def wait(self, longest_s: float) -> None:
        """
        Wait for this call's turn.

        Raises:
            RetryableError: It does not come within ``longest_s`` seconds.
        """
        wait_s = self.limiter.reserve(longest_s)
        if wait_s is None:
            raise RetryableError(
                f"Databricks refuses this account's calls for their rate, {self.limiter.rate_per_s:.0f} a second are "
                "sent at the moment; this one would have come too late",
                code="DATABRICKS.RATE_LIMITED_HERE",
            )
        if wait_s > 0:
            observe.report(observe.Throttled("databricks", wait_s))
            time.sleep(wait_s)

    def heard(self, error: AgentError | None) -> None:
        """Tell the limiter what became of a call."""
        if error is None:
            self.limiter.passed()
        elif error.code in TOO_FAST:
            self.limiter.throttled(error.retry_after_s)
            observe.report(observe.Throttled("databricks", refused=True))


def _configured() -> float:
    text = os.environ.get(VARIABLE, "")
    try:
        found = float(text) if text else _CALLS_PER_S
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise TaskError(
            f"{VARIABLE} of the agent service: found {text!r}, expected calls a second such as 200"
        )
    return found
