"""The reference lists the checks and the mutants there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kit_mutants import docs

PAGES = docs.pages() if docs.FOLDER.is_dir() else {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Any) -> None:
    script = Path(__file__).with_name("write_docs.py").name

    assert page.read_text(encoding="utf-8") == PAGES[page], f"run {script} beside this test"
