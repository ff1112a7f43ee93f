"""A query with typed inputs and rows; the README runs it, and so does a test."""

from dataclasses import dataclass

from flytekit import workflow

from flyte_agent_bigquery import BigQueryConfig, BigQueryTask


@dataclass
class Row:
    """One row of the result."""

    n: int
    word: str


rows = BigQueryTask(
    "rows",
    "SELECT n, @word AS word FROM UNNEST([1, 2, 3]) AS n WHERE n >= @least ORDER BY n",
    BigQueryConfig(project="anything"),
    inputs={"least": int, "word": str},
    output=list[Row],
)


@workflow
def wf(least: int = 2) -> list[Row]:
    """Return the rows from ``least`` on."""
    return rows(least=least, word="rain")
