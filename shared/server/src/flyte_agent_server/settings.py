"""How a service is set up; loads nothing, so that the command can fill it in quickly."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Settings:
    """
    Where a service listens, how it polls and how it ends.

    Attributes:
        host: Address to bind, ``[::]`` for all of them.
        port: 0 for any free one.
        metrics_port: 0 for any free one, ``None`` for no endpoint.
        grace_s: What calls in flight get to end in when the service stops; CreateTask is the
            longest.
        poll_fresh_s: For how long what a vendor said of many jobs at once answers further polls.
    """

    host: str = "[::]"
    port: int = 8000
    metrics_port: int | None = 9090
    grace_s: float = 60.0
    poll_fresh_s: float = 5.0
