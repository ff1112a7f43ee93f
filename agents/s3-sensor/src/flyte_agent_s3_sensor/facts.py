"""What a sensor touches, for a service's policy; S3 is not asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .config import SensorRequest
from .starting import filled

if TYPE_CHECKING:
    from flyte_agent_core import Attempt

AWS = "(AWS)"
"""Stands for the address of a task that names none."""


def of(attempt: Attempt) -> dict[str, list[str]]:
    """
    Return the facts of an attempt.

    ``prefix`` is ``bucket/`` and what all keys begin with that may be listed or asked for; ``secret``,
    ``role`` are whose rights the sensor has; ``endpoint`` is where its requests go.

    Raises:
        TaskError: The task is wrong.
    """
    request = filled(attempt.config(SensorRequest), attempt.inputs)
    access = request.access
    named = (access.credentials, access.web_identity, access.sse_c_key)
    return {
        "bucket": [request.bucket],
        "prefix": [f"{request.bucket}/{key}" for key in (request.keys or [request.start])],
        "endpoint": [access.endpoint_url or AWS],
        "queue": [request.events.queue_url] if request.events else [],
        "secret": [name for name in named if name],
        "role": list(access.roles),
    }
