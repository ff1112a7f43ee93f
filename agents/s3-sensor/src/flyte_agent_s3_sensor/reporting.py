"""Tells the core of each request to AWS, and what became of it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from flyte_agent_core import observe

from .errors import to_agent_error

if TYPE_CHECKING:
    from collections.abc import Iterator

_THROTTLED = frozenset({"S3.SLOW_DOWN", "S3.HTTP_503", "S3.HTTP_429", "S3.THROTTLING"})


@contextlib.contextmanager
def reporting(method: str) -> Iterator[None]:
    """Report what the body asks; its errors are the core's."""
    with observe.vendor_call("s3", method) as call:
        try:
            yield
        except Exception as error:
            found = to_agent_error(error)
            call.code = found.code
            if found.code in _THROTTLED:
                observe.report(observe.Throttled("s3", refused=True))
            raise found from error
