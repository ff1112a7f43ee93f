"""Asking again, within the time of the call that is being answered."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, TypeVar

from flyte_agent_core import ProtocolError, RetryableError
from flyte_agent_core.rpc import remaining_s

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from flyte_agent_core import AgentError
    from flyte_agent_core.clock import Clock

T = TypeVar("T")

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0)
"""Waits between two tries."""

_RESERVE_S = 1.0  # for the request that follows the wait


class NotMadeError(RetryableError):
    """There is certainly no run: every request for it was refused."""


class Patience:
    """Longer and longer waits, until there are no more or no time is left."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._left = list(PAUSES_S)

    async def wait_after(
        self, error: AgentError, given_up: type[RetryableError] = RetryableError
    ) -> None:
        """
        Wait before the next try, as long as Databricks asked for if it did.

        Raises:
            RetryableError: There is none; it is a ``given_up``, as create may be repeated whatever the answer was.
        """
        pause_s = self._left.pop(0) * random.uniform(0.8, 1.2) if self._left else 0.0  # noqa: S311  # spreads load
        pause_s = max(pause_s, error.retry_after_s or 0.0) if pause_s else 0.0
        if not pause_s or not has_time_after(pause_s):
            raise given_up(
                str(error), code=error.code, retry_after_s=error.retry_after_s
            ) from error
        await self._clock.sleep(pause_s)


def has_time_after(pause_s: float) -> bool:
    """Whether a wait leaves time for another request."""
    return remaining_s() >= pause_s + _RESERVE_S


async def ask(clock: Clock, question: Callable[[], Awaitable[T]]) -> T:
    """
    Return the answer to a question that changes nothing, asked again until there is one or no time is left.

    Raises:
        TaskError: The task must change.
        NotMadeError: There was none in time.
    """
    patience = Patience(clock)
    while True:
        try:
            return await question()
        except (RetryableError, ProtocolError) as error:
            await patience.wait_after(error, NotMadeError)
