"""A Databricks workspace on this machine (``pip install flyte-agent-databricks[local]``)."""

from __future__ import annotations

from .script import Scripted
from .server import LocalDatabricks
from .states import Words

__all__ = ["LocalDatabricks", "Scripted", "Words"]
