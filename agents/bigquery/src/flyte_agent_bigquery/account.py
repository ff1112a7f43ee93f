"""Who a job runs as: by reference, never by value."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Account:
    """
    What finds the credentials of a job, in the service and only when they are needed.

    Attributes:
        credentials: Name of the secret that holds them; ``""`` for the service's own.
        impersonate: Service accounts to become, one after the other; the last one runs the job.
        flyte_project: The Flyte project whose secret of that name it is.
        flyte_domain: The Flyte domain of it.
    """

    credentials: str = ""
    impersonate: tuple[str, ...] = ()
    flyte_project: str = ""
    flyte_domain: str = ""
