"""Local runs of the task classes, through the agent, on a workspace that really runs them."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Annotated, Any, Optional

import pytest
from flytekit import workflow
from flytekit.exceptions.user import FlyteUserException

from flyte_agent_databricks import (
    RUN_ID,
    Condition,
    DatabricksConfig,
    DatabricksSQLTask,
    DatabricksTask,
    DatabricksType,
    ExistingCluster,
    ExistingJob,
    ForEach,
    Notebook,
    PythonFile,
    Serverless,
    SqlFile,
    Step,
    TaskValue,
)

SERVERLESS = DatabricksConfig(compute=Serverless())


@dataclasses.dataclass
class Score:
    word: str
    points: int
    ratio: float
    seen: Optional[dt.date] = None


def test_the_exit_value_of_a_notebook_is_a_dataclass(shell: Any) -> None:
    shell.put_notebook(
        "/Workspace/c/score",
        "import json\n"
        "given = {n: dbutils.widgets.get(n) for n in ('day', 'words', 'dry')}\n"
        "assert given == {'day': '2024-01-31', 'words': '[\"a\", \"b\"]', 'dry': 'true'}, given\n"
        "dbutils.notebook.exit(json.dumps({'word': 'a', 'points': 2, 'ratio': 1, 'seen': given['day']}))",
    )
    parameters = {"day": "{inputs.day}", "words": "{inputs.words}", "dry": True}
    score = DatabricksTask(
        "score", Notebook("/Workspace/c/score", parameters),
        inputs={"day": dt.date, "words": list[str]}, output=Score,
    )  # fmt: skip

    @workflow
    def wf(day: dt.date, words: list[str]) -> Score:
        return score(day=day, words=words)

    found = wf(day=dt.date(2024, 1, 31), words=["a", "b"])
    assert found == Score("a", 2, 1.0, dt.date(2024, 1, 31))


def test_a_graph_gives_task_values(shell: Any) -> None:
    shell.put_file("/Workspace/c/note.py", "import sys\nprint(sys.argv[1:])\n")
    shell.put_notebook(
        "/Workspace/c/ingest",
        "dbutils.jobs.taskValues.set('rows', 3)\ndbutils.jobs.taskValues.set('names', ['x', 'y'])",
    )
    shell.put_notebook("/Workspace/c/never", "raise ValueError")
    graph = DatabricksTask(
        "graph",
        [
            Step("ingest", Notebook("/Workspace/c/ingest")),
            Step("any", Condition("{{tasks.ingest.values.rows}}", "GREATER_THAN", "2"), ["ingest"]),
            Step("never", Notebook("/Workspace/c/never"), ["any:false"]),
            Step("each", ForEach("{inputs.regions}", Step("one", PythonFile("/Workspace/c/note.py", ["{{input}}"]))),
                 ["any:true"]),
        ],
        SERVERLESS,
        {"regions": list[str]},
        task_values={"rows": TaskValue("ingest.rows", int), "names": TaskValue("ingest.names", list[str])},
    )  # fmt: skip
    assert tuple(graph(regions=["eu", "us"])) == (3, ["x", "y"])


def test_a_job_of_the_workspace_is_found_by_its_name(shell: Any) -> None:
    shell.put_notebook("/Workspace/c/echo", "dbutils.notebook.exit(dbutils.widgets.get('day'))")
    shell.create_job({
        "name": "echo-of-c",
        "parameters": [{"name": "day", "default": "never"}],
        "tasks": [{"task_key": "echo", "notebook_task": {"notebook_path": "/Workspace/c/echo"}}],
    })
    job = ExistingJob("echo-of-c", {"day": "{inputs.day:%d.%m.%Y}"})
    said = DatabricksTask("said", job, inputs={"day": dt.date}, output=str)
    run_id = DatabricksTask("id", ExistingJob("echo-of-c"), output=int, output_from=RUN_ID)

    assert said(day=dt.date(2024, 1, 31)) == "31.01.2024"
    assert run_id() > 2**53


def test_the_result_of_a_sql_file(shell: Any) -> None:
    """This workspace keeps no statements of jobs."""
    shell.put_file("/Workspace/c/rows.sql", "SELECT :word AS word")
    work = SqlFile("/Workspace/c/rows.sql", shell.warehouse_id, {"word": "{inputs.word}"})
    page = DatabricksTask("page", work, inputs={"word": str}, output=str)
    assert "/sql/queries/" in page(word="it's")

    rows = DatabricksTask("rows", work, inputs={"word": str}, output=list[Score])
    with pytest.raises(FlyteUserException, match=r"use a statement \(DatabricksSQLTask\) for rows"):
        rows(word="it's")


def test_a_failure_says_what_and_where(shell: Any) -> None:
    shell.put_notebook(
        "/Workspace/c/broken", "print('before')\nraise KeyError('no such column: carier')"
    )
    steps = [
        Step("load", Notebook("/Workspace/c/broken"), compute=ExistingCluster(shell.cluster_id)),
        Step("after", Notebook("/Workspace/c/broken"), ["load"]),
    ]
    task = DatabricksTask("broken", steps, DatabricksConfig(on_code_failure="fail"))
    with pytest.raises(FlyteUserException) as caught:
        task()
    message = str(caught.value)
    assert "FAILED: Databricks RUN_EXECUTION_ERROR" in message
    assert "load" in message
    assert "no such column: carier" in message


def test_the_rows_of_a_statement(shell: Any) -> None:
    rows = DatabricksSQLTask(
        "rows",
        "SELECT :word AS word, :points AS points, CAST(:price AS DOUBLE) AS ratio, :day AS seen -- :nothing",
        inputs={
            "word": str, "points": int, "price": Annotated[str, DatabricksType("DECIMAL(10, 2)")],
            "day": Optional[dt.date],
        },
        output=list[Score],
    )  # fmt: skip
    day = dt.date(2024, 1, 31)
    assert rows(word="'; --", points=2**60, price="1.5", day=day) == [
        Score("'; --", 2**60, 1.5, day)
    ]
    assert rows(word="a", points=1, price="0.25", day=None) == [Score("a", 1, 0.25)]


@pytest.mark.parametrize(
    ("sql", "output", "value"),
    [
        ("SELECT 2", int, 2),
        ("SELECT 'a' AS word, 1 AS points, 0.5 AS ratio, DATE'2024-01-31' AS seen", Score,
         Score("a", 1, 0.5, dt.date(2024, 1, 31))),
        ("SELECT * FROM (VALUES (1), (2)) AS t(n) ORDER BY n", list[int], [1, 2]),
        ("SELECT 1 AS n WHERE 1 = 0", Optional[int], None),
        ("SELECT TIMESTAMP'2024-01-31 06:00:00'", dt.datetime, dt.datetime(2024, 1, 31, 6, tzinfo=dt.timezone.utc)),
        ("SELECT true", bool, True),
    ],
)  # fmt: skip
def test_what_comes_back_of_a_statement(shell: Any, sql: str, output: Any, value: Any) -> None:
    assert DatabricksSQLTask("t", sql, output=output)() == value


def test_a_wrong_statement_is_told(shell: Any) -> None:
    with pytest.raises(FlyteUserException, match="FAILED"):
        DatabricksSQLTask("t", "SELEC 1", output=int)()
    with pytest.raises(FlyteUserException, match="rows"):
        DatabricksSQLTask("t", "SELECT * FROM range(5)", output=list[int], max_rows=4)()


def test_what_was_asked_for_is_in_the_run(shell: Any) -> None:
    """The request itself, as the workspace got it."""
    shell.put_notebook("/Workspace/c/plain", "dbutils.notebook.exit('1')")
    config = DatabricksConfig(
        run_name="of-c",
        timeout_s=77,
        access_control_list=[{"group_name": "users", "permission_level": "CAN_VIEW"}],
    )
    assert DatabricksTask("plain", Notebook("/Workspace/c/plain"), config, output=int)() == 1
    sent = [r.json for r in shell.requests if r.path.endswith("/runs/submit")][-1]
    assert sent["run_name"].startswith("of-c")
    assert sent["timeout_seconds"] == 77
    assert sent["access_control_list"] == [{"group_name": "users", "permission_level": "CAN_VIEW"}]
    assert len(sent["idempotency_token"]) <= 64
