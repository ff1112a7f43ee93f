"""
Wait for objects in S3, or in any store that speaks its protocol, as Flyte tasks.

::

    from flyte_agent_s3_sensor import S3Config, S3Sensor

Names are loaded when they are used: flytekit imports this package whether it is used or not.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .agent import S3SensorAgent
    from .config_access import S3Config
    from .config_parts import SqsEvents, Where
    from .meta import S3SensorMeta
    from .objects import S3Found, S3Object
    from .task import S3Sensor

_HOMES = {
    "S3Config": "config_access",
    "S3Found": "objects",
    "S3Object": "objects",
    "S3Sensor": "task",
    "S3SensorAgent": "agent",
    "S3SensorMeta": "meta",
    "SqsEvents": "config_parts",
    "Where": "config_parts",
}

__all__ = [
    "S3Config",
    "S3Found",
    "S3Object",
    "S3Sensor",
    "S3SensorAgent",
    "S3SensorMeta",
    "SqsEvents",
    "Where",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


# flytekit imports every installed agent while it is imported itself. Whichever of the two a program
# imports first, that must not happen while a module of this package is half imported: hence the
# lazy names above, and this import before any of them.
import flytekit as _flytekit  # noqa: E402, F401  # must come last
