"""
OpenAI's chapter of ``flyte-agent demo``: what the figures say, in words, as a typed value.

It has the form that ``flyte_agent_server.demo.chapters`` describes. The task and the workflow are as they would be for
a cluster.
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from flytekit import workflow

from flyte_agent_openai_sync import ChatTask, OpenAIConfig, Receipt

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass
class AirlineDelay:
    """One airline."""

    airline: str
    minutes: float


@dataclasses.dataclass
class Brief:
    """What a busy reader should know."""

    headline: str
    airlines: int
    worst: AirlineDelay
    ranking: list[AirlineDelay]


PROMPT = """\
Brief the head of operations in one headline and the three worst airlines.

{remark} The figures of {airlines} airlines:
{figures}"""

write_brief = ChatTask(
    "flights.write_brief",
    PROMPT,
    OpenAIConfig(model="gpt-4.1-mini", temperature=0.0, max_usd=0.01, max_output_tokens=800),
    inputs={"remark": str, "airlines": int, "figures": list[AirlineDelay]},
    output=Brief,
    system="You write for people who have one minute. Use only the figures you are given.",
    receipt=True,
)


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def brief(remark: str, airlines: int, figures: list[AirlineDelay]) -> tuple[Brief, Receipt]:
    """Have the figures of the run summarised."""
    written = write_brief(remark=remark, airlines=airlines, figures=figures)
    return written.answer, written.receipt


misnamed = ChatTask("flights.misnamed", "Say hello.", OpenAIConfig(model="gpt-41-mini"))


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def with_a_mistake() -> str:
    """Ask a model that does not exist."""
    said: str = misnamed()
    return said


class Summary:
    """The chapter."""

    order = 40
    title = "OpenAI: what do the figures say?"
    requires = ("openai-sync",)
    try_next = (
        "pip install flyte-agent-server flyte-agent-openai-sync && flyte-agent serve",
        "                           the same service on a cluster, with a key of OpenAI's",
    )

    async def tell(self, story: Any) -> None:
        """Have the figures put into words, show the receipt, then make a mistake."""
        remark, figures = _figures(story)
        story.say(
            "The prompt is a template with typed inputs; a dataclass is the form of the answer:\n"
        )
        story.code(PROMPT, "text")
        story.say("")
        made = await story.run(brief, remark=remark, airlines=len(figures), figures=figures)
        written, receipt = made.values()
        story.say(f"\n[bold]{written.headline}[/]")
        rows = [
            {"airline": each.airline, "minutes": f"{each.minutes:+.1f}"}
            for each in written.ranking[:3]
        ]
        story.table(remark, rows)
        cost = f"${receipt.cost_usd:.6f}" if receipt.cost_usd is not None else "no price"
        story.say(
            f"The receipt: {receipt.total_tokens} tokens of {receipt.model}, {cost} at OpenAI's price."
        )
        story.handover["brief"] = json.dumps(dataclasses.asdict(written))
        story.say("\nA model that does not exist: no retry is used up on it.\n")
        await story.run_into_error(with_a_mistake)


def _figures(story: Any) -> tuple[str, list[AirlineDelay]]:
    """Return what the chapters before found, or the same story's average delays."""
    scores = story.handover.get("scores")
    if scores:
        scored = [AirlineDelay(each.airline, each.lost_min) for each in scores]
        scored.sort(key=lambda each: each.minutes, reverse=True)
        return "Minutes that a passenger of an airline loses, rain weighed in.", scored
    ranked = story.handover.get("airlines")
    if ranked:
        found = [AirlineDelay(each.airline, each.rain_costs_min) for each in ranked]
        return "Minutes that rain adds to the delay of an airline's flights.", found
    return "Minutes by which an airline's flights are late.", _delays(story.data)


def _delays(data: Path) -> list[AirlineDelay]:
    names = {row["carrier"]: row["name"] for row in _rows(data / "airlines.csv")}
    late: dict[str, list[float]] = defaultdict(list)
    for row in _rows(data / "flights.csv"):
        if row["dep_delay"] not in ("", "NA"):
            late[row["carrier"]].append(float(row["dep_delay"]))
    found = [AirlineDelay(names[c], round(sum(each) / len(each), 1)) for c, each in late.items()]
    return sorted(found, key=lambda each: -each.minutes)


def _rows(path: Path) -> csv.DictReader[str]:
    return csv.DictReader(path.read_text("utf-8").splitlines())
