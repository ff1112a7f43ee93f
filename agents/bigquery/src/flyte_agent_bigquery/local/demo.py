"""
BigQuery's chapter of ``flyte-agent demo``: which airlines are late when it rains?

It has the form that ``flyte_agent_server.demo.chapters`` describes. The tasks and the workflow are as they
would be for a cluster; only the addresses of the files are the story's.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from flytekit import workflow
from flytekit.types.structured import StructuredDataset

from flyte_agent_bigquery import (
    BigQueryCheckTask,
    BigQueryConfig,
    BigQueryJobTask,
    BigQueryTask,
    CheckReport,
    CostGuard,
    LoadConfig,
    checks,
)

CONFIG = BigQueryConfig(
    project="flyte-demo",
    default_dataset="travel",
    cost=CostGuard(max_usd=0.01),  # a dry run first: what would cost more is refused
)
LOADS = BigQueryConfig(project="flyte-demo")


@dataclasses.dataclass
class Airline:
    """How late an airline's flights leave New York, in minutes on average."""

    airline: str
    flights_in_rain: int
    late_in_rain_min: float
    late_when_dry_min: float
    rain_costs_min: float


QUERY = """\
-- The weather is that of the airport and the hour of departure.
WITH departures AS (
  SELECT f.carrier, f.dep_delay, w.precip >= @inches AS wet
  FROM flights AS f
  JOIN weather AS w USING (origin, time_hour)
  WHERE f.dep_delay IS NOT NULL
)
SELECT
  a.name AS airline,
  COUNTIF(d.wet) AS flights_in_rain,
  ROUND(AVG(IF(d.wet, d.dep_delay, NULL)), 1) AS late_in_rain_min,
  ROUND(AVG(IF(d.wet, NULL, d.dep_delay)), 1) AS late_when_dry_min,
  ROUND(AVG(IF(d.wet, d.dep_delay, NULL)) - AVG(IF(d.wet, NULL, d.dep_delay)), 1) AS rain_costs_min
FROM departures AS d
JOIN airlines AS a USING (carrier)
GROUP BY airline
HAVING flights_in_rain >= @min_flights
ORDER BY rain_costs_min DESC
"""

make_dataset = BigQueryTask(
    "flights.make_dataset", "CREATE SCHEMA IF NOT EXISTS travel", BigQueryConfig("flyte-demo")
)


def _load(table: str) -> BigQueryJobTask:
    return BigQueryJobTask(
        f"flights.load_{table}",
        LoadConfig(
            "{inputs.uri}",
            f"travel.{table}",
            "CSV",
            autodetect=True,
            null_marker="NA",
            write_disposition="WRITE_TRUNCATE",
        ),
        LOADS,
        inputs={"uri": str},
        output=StructuredDataset,
    )


load_flights, load_weather, load_airlines = _load("flights"), _load("weather"), _load("airlines")

check_flights = BigQueryCheckTask(
    "flights.check_flights",
    table="travel.flights",
    checks=[
        checks.row_count(geq=300_000),
        checks.column("carrier", null_check={"eq": 0}, distinct_check={"geq": 10}),
        checks.column("dep_delay", min={"gt": -120}, max={"lt": 1440}),
        checks.table("LOGICAL_AND(month BETWEEN 1 AND 12)"),
    ],
    config=LOADS,
)

rank_airlines = BigQueryTask(
    "flights.rank_airlines",
    QUERY,
    CONFIG,
    inputs={"inches": float, "min_flights": int},
    output=list[Airline],
)


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def late_in_rain(
    flights: str, weather: str, airlines: str, inches: float = 0.02, min_flights: int = 100
) -> tuple[StructuredDataset, CheckReport, list[Airline]]:
    """Load three files, check the big one, and ask which airlines suffer most from rain."""
    dataset = make_dataset()
    table = load_flights(uri=flights)
    others = [load_weather(uri=weather), load_airlines(uri=airlines)]
    checked = check_flights()
    ranked = rank_airlines(inches=inches, min_flights=min_flights)
    for loaded in (table, *others):
        dataset >> loaded
        loaded >> ranked
    table >> checked >> ranked
    return table, checked, ranked


misspelt = BigQueryTask(
    "flights.misspelt",
    "SELECT carier, COUNT(*) AS n\nFROM flights\nGROUP BY 1",
    CONFIG,
    output=list[str],
)

expensive = BigQueryTask(
    "flights.expensive",
    "SELECT * FROM flights",
    BigQueryConfig("flyte-demo", default_dataset="travel", cost=CostGuard(max_bytes=1_000_000)),
    output=StructuredDataset,
)


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def with_a_mistake() -> list[str]:
    """Ask for a column that is not there."""
    names: list[str] = misspelt()
    return names


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def with_a_price() -> StructuredDataset:
    """Ask for more than the task may cost."""
    return expensive()


class Flights:
    """The chapter."""

    order = 20
    title = "BigQuery: which airlines are late when it rains?"
    requires = ("bigquery",)
    try_next = (
        "flyte-agent sandbox        the same stand-ins and service, for workflows of your own",
        "flyte-agent list           what is installed here, and which task types it serves",
        "pip install flyte-agent-server flyte-agent-bigquery && flyte-agent serve",
        "                           the same service on a cluster, with the real BigQuery",
    )

    async def tell(self, story: Any) -> None:
        """Load the files, check them, ask the question, then make two mistakes."""
        story.say(
            "The question, as its author wrote it; @inches and @min_flights are typed inputs:\n"
        )
        story.code(QUERY, "sql")
        story.say("")
        made = await story.run(late_in_rain, **_files(story))
        table, report, ranked = made.values()
        story.handover["flights.table"] = table.uri
        story.handover["airlines"] = ranked
        story.table(
            "What the check of the data found",
            [
                {"check": check.name, "found": check.observed, "expected": check.expected}
                for check in report.checks
            ],
        )
        story.table(
            "Minutes that flights leave late, by airline (a list of dataclasses)",
            [dataclasses.asdict(airline) for airline in ranked],
        )
        await _tell_mistakes(story)


def _files(story: Any) -> dict[str, str]:
    """Return where the files are: where a chapter before put them, or on this disk."""
    names = ("flights", "weather", "airlines")
    found = {name: story.handover.get(f"{name}.uri") for name in names}
    return {name: uri or (story.data / f"{name}.csv").as_uri() for name, uri in found.items()}


async def _tell_mistakes(story: Any) -> None:
    story.say("\nA mistake in the SQL is the user's to repair: no retry is used up on it.\n")
    await story.run_into_error(with_a_mistake)
    story.say("\nA query above its cost limit is refused before it has cost anything.\n")
    await story.run_into_error(with_a_price)
