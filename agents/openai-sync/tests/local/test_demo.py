"""The chapter of the demo, told by a local run."""

from __future__ import annotations

import asyncio
import dataclasses
import types
from pathlib import Path
from typing import Any

import pytest

from flyte_agent_openai_sync.local import demo


class Told:
    """A story that runs workflows on this machine and remembers what it shows."""

    def __init__(self, data: Path, handover: dict[str, Any]) -> None:
        self.data, self.handover = data, handover
        self.shown: list[Any] = []

    async def run(self, workflow: Any, **inputs: Any) -> dict[str, Any]:
        made = await asyncio.to_thread(workflow, **inputs)
        return dict(enumerate(made))

    async def run_into_error(self, workflow: Any, **inputs: Any) -> str:
        with pytest.raises(Exception, match="gpt-41-mini") as raised:
            await asyncio.to_thread(workflow)
        self.shown.append(str(raised.value))
        return str(raised.value)

    def say(self, text: str) -> None:
        self.shown.append(text)

    def code(self, text: str, language: str) -> None:
        self.shown.append(text)

    def table(self, title: str, rows: Any) -> None:
        self.shown.append(rows)


FLIGHTS = "carrier,dep_delay\nAA,10\nAA,20\nBB,NA\nBB,-3\n"


BIGQUERY = {"airlines": [types.SimpleNamespace(airline="First Air", rain_costs_min=15.0)]}
DATABRICKS = {
    "scores": [
        types.SimpleNamespace(airline="Better Air", lost_min=2.0),
        types.SimpleNamespace(airline="First Air", lost_min=15.0),
    ]
}


@pytest.mark.parametrize("before", [{}, BIGQUERY, {**BIGQUERY, **DATABRICKS}])
def test_the_chapter_is_told(
    before: dict[str, Any], vendor: Any, tmp_path: Path, running: Any
) -> None:
    """Alone, after BigQuery's chapter, and after Databricks' as well."""
    (tmp_path / "flights.csv").write_text(FLIGHTS)
    (tmp_path / "airlines.csv").write_text("carrier,name\nAA,First Air\nBB,Better Air\n")
    story = Told(tmp_path, dict(before))
    running(demo.Summary().tell(story))

    (rows,) = [each for each in story.shown if isinstance(each, list)]
    assert rows[0] == {"airline": "First Air", "minutes": "+15.0"}
    assert any("First Air, 15" in str(each) for each in story.shown)
    assert "brief" in story.handover
    assert dataclasses.is_dataclass(demo.Brief)
