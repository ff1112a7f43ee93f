"""The chapters of the story: their form, finding them, and their order."""

from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING, Any, Protocol

from flyte_agent_server.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

GROUP = "flyte_agent.demo"
"""The entry point group of chapters; an entry has the name of its agent."""


class Story(Protocol):
    """
    What a chapter has to tell with.

    Attributes:
        data: A folder with the story's files: ``flights.csv``, ``weather.csv``, ``airlines.csv``, ….
        urls: Where each stand-in answers, by the agent's name.
        handover: What the chapters before left for those after, such as
            ``{"flights.uri": "s3://…"}``.
    """

    data: Path
    urls: Mapping[str, str]
    handover: dict[str, Any]

    async def run(self, workflow: Any, **inputs: Any) -> dict[str, Any]:
        """
        Run a flytekit workflow through the agent service as propeller would, and show what happens.

        Returns:
            The workflow's outputs as Python values, in the order they are declared.

        Raises:
            DemoError: A task failed.
        """

    async def run_into_error(self, workflow: Any, **inputs: Any) -> str:
        """
        Run a workflow that fails on purpose, and return the message that its user reads.

        Raises:
            DemoError: It did not fail.
        """

    def say(self, text: str) -> None:
        """Tell the reader something; rich markup is understood."""

    def code(self, text: str, language: str) -> None:
        """Show source code, such as the query that is about to run."""

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show rows that have the same keys."""


class Chapter(Protocol):
    """
    One part of the story.

    Attributes:
        order: Where it stands: 10 S3, 20 BigQuery, 30 Databricks, 40 OpenAI.
        title: What it tells, on one line.
        requires: Agents whose stand-ins must run; the chapter is left out with a line if one does
            not.
        try_next: What the reader may do on their own, a line each.
    """

    order: int
    title: str
    requires: tuple[str, ...]
    try_next: tuple[str, ...]

    async def tell(self, story: Story) -> None:
        """Tell it."""


def find(names: Iterable[str]) -> list[Chapter]:
    """
    Return the chapters of the agents called ``names``, in the order of the story.

    Raises:
        DemoError: A chapter cannot be imported, or there is none.
    """
    wanted = set(names)
    points = [p for p in importlib.metadata.entry_points(group=GROUP) if p.name in wanted]
    if not points:
        raise DemoError(
            "no installed agent has a part in the demo: pip install 'flyte-agent-bigquery[local]'"
        )
    return sorted(map(_load, points), key=lambda chapter: chapter.order)


def _load(point: importlib.metadata.EntryPoint) -> Chapter:
    try:
        chapter: Chapter = point.load()()
    except ImportError as error:
        distribution = point.dist.name if point.dist else point.name
        raise DemoError(
            f"the chapter of {point.name} lacks a library ({error}): "
            f"pip install '{distribution}[local]'"
        ) from error
    return chapter
