"""Which sensors are looked after together."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from .address import folder_of

if TYPE_CHECKING:
    from collections.abc import Hashable

    from .account import Account
    from .config import SensorRequest
    from .meta import S3SensorMeta


def group_of(meta: S3SensorMeta) -> Hashable:
    """
    Return what sensors must have in common to share a look.

    Those of a folder share its listing. Literal keys are asked for one by one, so only sensors of
    the same keys gain by it, and the rest need not wait for one another.
    """
    return _group(meta.watch, meta.account)


@functools.lru_cache(maxsize=50_000)
def _group(watch: str, account: Account) -> Hashable:
    from .meta import request_of

    request: SensorRequest = request_of(watch)
    place = (account, request.bucket)
    if request.is_literal:
        return (*place, "keys", *sorted(request.keys))
    return (*place, "folder", folder_of(request.start))
