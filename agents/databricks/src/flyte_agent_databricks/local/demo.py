"""
Databricks' chapter of ``flyte-agent demo``: which airline is the safe choice?

It has the form that ``flyte_agent_server.demo.chapters`` describes. The tasks and the workflow are as they would be for
a cluster; the notebooks are in the sandbox's workspace.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from flytekit import workflow

from flyte_agent_databricks import (
    DatabricksConfig,
    DatabricksTask,
    Notebook,
    Serverless,
    Step,
    TaskValue,
)

from .notebooks import FOLDER, SCORE

if TYPE_CHECKING:
    from pathlib import Path


@dataclasses.dataclass
class Delay:
    """How late an airline's flights leave when it is dry, and how much rain adds; minutes on average."""

    airline: str
    dry_min: float
    rain_min: float


@dataclasses.dataclass
class Score:
    """How safe a choice an airline is: 100 points for the best one, none for the worst."""

    airline: str
    points: int
    lost_min: float


CONFIG = DatabricksConfig(compute=Serverless(), timeout_s=600)
PARAMETERS = {"airlines": "{inputs.airlines}", "weight_of_rain": "{inputs.weight_of_rain}"}

score_airlines = DatabricksTask(
    "flights.score_airlines",
    Notebook(f"{FOLDER}/score_airlines", PARAMETERS),
    CONFIG,
    inputs={"airlines": list[Delay], "weight_of_rain": float},
    output=list[Score],
)


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def safe_choice(airlines: list[Delay], weight_of_rain: float = 0.3) -> list[Score]:
    """Have a notebook score the airlines."""
    scores: list[Score] = score_airlines(airlines=airlines, weight_of_rain=weight_of_rain)
    return scores


misspelt = DatabricksTask(
    "flights.misspelt",
    [
        Step("score", Notebook(f"{FOLDER}/score_airlines", PARAMETERS)),
        Step("sum_up", Notebook(f"{FOLDER}/misspelt", PARAMETERS), ["score"]),
    ],
    CONFIG,
    {"airlines": list[Delay], "weight_of_rain": float},
    task_values={"best": TaskValue("score.best", str)},
)


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def with_a_mistake(airlines: list[Delay], weight_of_rain: float = 0.3) -> str:
    """Run two tasks, of which the second one asks for a field that is not there."""
    best: str = misspelt(airlines=airlines, weight_of_rain=weight_of_rain)
    return best


class Scores:
    """The chapter."""

    order = 30
    title = "Databricks: which airline is the safe choice?"
    requires = ("databricks",)
    try_next = (
        "pip install flyte-agent-server flyte-agent-databricks && flyte-agent serve",
        "                           the same service on a cluster, with a workspace of Databricks",
    )

    async def tell(self, story: Any) -> None:
        """Score the airlines in a notebook, then make a mistake in one of two tasks."""
        delays = _delays(story)
        story.say(
            "A notebook scores them. Its parameters are the task's typed inputs, its exit value is the output:\n"
        )
        story.code(SCORE, "python")
        story.say("")
        (scores,) = (await story.run(safe_choice, airlines=delays)).values()
        story.table(
            "How safe a choice each airline is (a list of dataclasses)",
            [dataclasses.asdict(score) for score in scores],
        )
        story.handover["scores"] = scores
        story.say(
            "\nA mistake in one task of a run: the message names the task and says what its code raised.\n"
        )
        await story.run_into_error(with_a_mistake, airlines=delays)


def _delays(story: Any) -> list[Delay]:
    """Return what BigQuery's chapter found; without it, average delays from the files."""
    ranked = story.handover.get("airlines")
    if ranked:
        return [Delay(each.airline, each.late_when_dry_min, each.rain_costs_min) for each in ranked]
    names = {row["carrier"]: row["name"] for row in _rows(story.data / "airlines.csv")}
    late: dict[str, list[float]] = defaultdict(list)
    for row in _rows(story.data / "flights.csv"):
        if row["dep_delay"] not in ("", "NA"):
            late[row["carrier"]].append(float(row["dep_delay"]))
    return [
        Delay(names[c], round(sum(each) / len(each), 1), 0.0) for c, each in sorted(late.items())
    ]


def _rows(path: Path) -> csv.DictReader[str]:
    return csv.DictReader(io.StringIO(path.read_text("utf-8")))
