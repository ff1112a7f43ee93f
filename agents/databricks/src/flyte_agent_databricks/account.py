"""Who a job runs as, and where: by reference, never by value."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Account:
    """
    What finds workspace and credentials of a job, in the service and only when they are needed.

    Attributes:
        host: The workspace; ``""`` for the one of the credentials, or of the service.
        credentials: Name of the secret that holds them; ``""`` for the service's own.
        flyte_project: The Flyte project whose secret of that name it is.
        flyte_domain: The Flyte domain of it.
        stock: For tasks of flytekit's own plugin, how they sign in: :attr:`Stock.encoded`.
    """

    host: str = ""
    credentials: str = ""
    flyte_project: str = ""
    flyte_domain: str = ""
    stock: tuple[tuple[str, str], ...] = ()
