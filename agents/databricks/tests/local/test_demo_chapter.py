"""The chapter of the demo, told by local runs on the sandbox's workspace."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flytekit.exceptions.user import FlyteUserException

from flyte_agent_databricks.local import demo
from flyte_agent_databricks.local.sandbox import DatabricksSandbox


class Told:
    """A story that runs workflows on this machine and remembers what it shows."""

    def __init__(self, data: Path, handover: dict[str, Any]) -> None:
        self.data, self.handover = data, handover
        self.shown: list[Any] = []

    async def run(self, workflow: Any, **inputs: Any) -> dict[str, Any]:
        return {"o0": await asyncio.to_thread(workflow, **inputs)}

    async def run_into_error(self, workflow: Any, **inputs: Any) -> str:
        with pytest.raises(FlyteUserException, match="sum_up: KeyError: 'rain_minutes'") as raised:
            await asyncio.to_thread(workflow, **inputs)
        return str(raised.value)

    def say(self, text: str) -> None:
        self.shown.append(text)

    def code(self, text: str, language: str) -> None:
        self.shown.append(text)

    def table(self, title: str, rows: Any) -> None:
        self.shown.append(rows)


@pytest.fixture
def workspace(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    running = DatabricksSandbox().start(0)
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    yield
    running.stop()


@pytest.mark.parametrize("alone", [True, False])
def test_the_chapter_is_told(alone: bool, workspace: None, tmp_path: Path) -> None:
    """With what BigQuery's chapter found, and without."""
    (tmp_path / "flights.csv").write_text("carrier,dep_delay\nAA,10\nAA,20\nBB,NA\nBB,-3\n")
    (tmp_path / "airlines.csv").write_text("carrier,name\nAA,First Air\nBB,Better Air\n")
    found = [
        types.SimpleNamespace(airline="First Air", late_when_dry_min=12.0, rain_costs_min=30.0),
        types.SimpleNamespace(airline="Better Air", late_when_dry_min=12.0, rain_costs_min=10.0),
    ]
    story = Told(tmp_path, {} if alone else {"airlines": found})
    asyncio.run(demo.Scores().tell(story))

    lost = (
        {"Better Air": -3.0, "First Air": 15.0}
        if alone
        else {"Better Air": 15.0, "First Air": 21.0}
    )
    (rows,) = [each for each in story.shown if isinstance(each, list)]
    assert rows == [
        {"airline": "Better Air", "points": 100, "lost_min": lost["Better Air"]},
        {"airline": "First Air", "points": 0, "lost_min": lost["First Air"]},
    ]
    assert [each.airline for each in story.handover["scores"]] == ["Better Air", "First Air"]
