"""The page of states and codes is what the agent does."""

from __future__ import annotations

import importlib.util
from pathlib import Path

FILE = Path(__file__).with_name("write_reference.py")


def test_the_page_is_written_from_the_tables() -> None:
    spec = importlib.util.spec_from_file_location(FILE.stem, FILE)
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)

    assert writer.PATH.read_text(encoding="utf-8") == writer.text(), (
        "the tables have changed: python agents/databricks/tests/write_reference.py"
    )
