"""The agents the kit is tried on, good and bad, are packages of their own: a plugin must be importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "agents"))
