"""``python -m flyte_agent_testing.stories``: see :mod:`.soak`."""

from __future__ import annotations

from .soak import main

if __name__ == "__main__":  # its processes import this module too
    raise SystemExit(main())
