"""Writes the generated parts of the kit's reference."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "agents"))

from kit_mutants.docs import pages  # it is found by the line above

for page, text in pages().items():
    page.write_text(text, encoding="utf-8")
