"""The reference lists the checks and the mutants there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from kit_mutants import docs

from flyte_agent_testing.conformance import AsyncAgentConformance
from flyte_agent_testing.conformance.checks import rules_of

PAGES = docs.pages() if docs.FOLDER.is_dir() else {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Any) -> None:
    script = Path(__file__).with_name("write_docs.py").name

    assert page.read_text(encoding="utf-8") == PAGES[page], f"run {script} beside this test"


@pytest.mark.skipif(not docs.FOLDER.is_dir(), reason="the documentation is not part of a package")
def test_the_page_about_other_connectors_names_checks_there_are() -> None:
    text = (docs.FOLDER / "conformance-stock.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:\||\*) `(\w+)`", text, re.MULTILINE))
    known = {rule.name.removeprefix("test_") for rule in rules_of(AsyncAgentConformance)}

    assert len(named) > 50
    assert named <= known, "run `nox -s stock`"
