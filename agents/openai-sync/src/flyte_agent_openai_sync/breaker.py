"""A credential whose quota is used up is not asked again for a while: each refusal costs time and helps nobody."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from . import settings
from .errors import QuotaExhausted

if TYPE_CHECKING:
    from flyte_agent_core.clock import Clock

_KEPT = 1000


class Breaker:
    """Remembers which credentials rest, and why."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._resting: OrderedDict[str, tuple[float, QuotaExhausted]] = OrderedDict()

    def check(self, credential: str) -> None:
        """
        Go on if the credential may be used.

        After its rest one request is let through to see whether the account has been paid for.

        Raises:
            QuotaExhausted: It rests.
        """
        until_s, error = self._resting.get(credential, (0.0, None))
        now_s = self._clock.monotonic()
        if error is None:
            return
        if now_s >= until_s:
            self._resting[credential] = (now_s + settings.number("BREAKER_S"), error)
            return
        raise QuotaExhausted(
            f"not asked: {until_s - now_s:.0f} s more are waited before this credential is tried again, since the "
            f"provider said: {error}",
            code=error.code,
        )

    def open(self, credential: str, error: QuotaExhausted) -> None:
        """Let the credential rest."""
        rest_s = settings.number("BREAKER_S")
        if rest_s:
            self._resting[credential] = (self._clock.monotonic() + rest_s, error)
            self._resting.move_to_end(credential)
            while len(self._resting) > _KEPT:
                self._resting.popitem(last=False)

    def close(self, credential: str) -> None:
        """Note that the credential works."""
        self._resting.pop(credential, None)
