"""``python -m flyte_agent_server`` is ``flyte-agent``."""

from __future__ import annotations

from .cli import main

main()
