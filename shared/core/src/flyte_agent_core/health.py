"""What an agent finds out about itself when somebody asks: ``flyte-agent doctor``."""

from __future__ import annotations

import dataclasses
from typing import Literal

Level = Literal["ok", "warning", "error"]


@dataclasses.dataclass(frozen=True)
class Finding:
    """
    The result of one check of ``check_health``.

    Attributes:
        check: What was looked at, in a word or two: ``credentials``.
        level: ``error`` when tasks will fail, ``warning`` when some may.
        message: What was found; never a secret.
        repair: What to do about it; needed unless ``level`` is ``ok``.
    """

    check: str
    level: Level
    message: str
    repair: str = ""

    def __post_init__(self) -> None:
        if self.level != "ok" and not self.repair:
            raise ValueError(f"{self.check}: found no repair, expected one with {self.level!r}")
