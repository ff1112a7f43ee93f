"""
How fast one account calls BigQuery: never faster than it is allowed to, whatever that is today.

BigQuery documents 100 requests a second for each user and method
(https://cloud.google.com/bigquery/quotas#api_request_quotas) and changes that on request, so it is where the rate
begins, not where it ends: refusals bring it down. All calls of an account share it.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from flyte_agent_core import RetryableError, TaskError, observe
from flyte_agent_core.limiter import Limiter

from .api_errors import to_agent_error

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE = "FLYTE_AGENT_BIGQUERY_CALLS_PER_S"
"""Environment of the service: another rate to begin with, for accounts with another quota."""

_CALLS_PER_S = 100.0
_BURST = 100
_TOO_FAST = frozenset({"BIGQUERY.RATE_LIMIT_EXCEEDED", "BIGQUERY.USER_RATE_LIMIT_EXCEEDED"})


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
                f"BigQuery refuses this account's calls for their rate, {self.limiter.rate_per_s:.0f} a second are "
                "sent at the moment; this one would have come too late",
                code="BIGQUERY.RATE_LIMITED_HERE",
            )
        if wait_s > 0:
            observe.report(observe.Throttled("bigquery", wait_s))
            time.sleep(wait_s)

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Tell the limiter what became of a call."""
        try:
            yield
        except Exception as error:
            if getattr(to_agent_error(error), "code", "") in _TOO_FAST:
                self.limiter.throttled()
                observe.report(observe.Throttled("bigquery", refused=True))
            raise
        self.limiter.passed()


def _configured() -> float:
    text = os.environ.get(VARIABLE, "")
    try:
        found = float(text) if text else _CALLS_PER_S
    except ValueError:
        found = 0.0
    if not 0 < found < 1e6:
        raise TaskError(
            f"{VARIABLE} of the agent service: found {text!r}, expected calls a second such as 100"
        )
    return found
