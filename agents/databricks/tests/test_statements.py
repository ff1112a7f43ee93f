"""Statements of a SQL warehouse: sent once, read as values, stopped."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterator
from typing import Any

import pytest

from flyte_agent_core import Phase, RetryableError, TaskError
from flyte_agent_databricks import errors
from flyte_agent_databricks.local import LocalDatabricks
from flyte_agent_databricks.statement_polling import failure_of
from flyte_agent_databricks.statement_rows import _MAKERS
from flyte_agent_databricks.statement_starting import TAG, parameter_text
from flyte_agent_testing.server import Reply, Request, route

HOUR = dt.timedelta(hours=1)
ROWS = {"statement": {}, "outputs": {"kind": "rows"}}


class WithHistory(LocalDatabricks):
    """The workspace, with the history of its warehouses."""

    @route("GET", "/api/2.0/sql/history/queries", name="history", inline=True)
    def history(self, request: Request) -> Reply:
        """See https://docs.databricks.com/api/workspace/queryhistory/list for the form."""
        found = [
            {
                "query_id": each.statement_id,
                "status": each.state,
                "query_tags": each.body.get("query_tags"),
            }
            for each in self.statements._known.values()
        ]
        return Reply(200, {"res": found})


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with WithHistory() as server:
        monkeypatch.setenv("DATABRICKS_HOST", server.url)
        monkeypatch.setenv("DATABRICKS_TOKEN", server.token)
        monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", server.warehouse_id)
        yield server


def value_of(literal: Any) -> Any:
    return literal.to_flyte_idl()


def result(bench: Any, sql: str, output: Any, kind: str = "scalar", **said: Any) -> Any:
    """Return the one output of a statement."""
    custom = {
        "statement": said.pop("statement", {}),
        "outputs": {"kind": kind, **said.pop("source", {})},
    }
    resource = bench.settle(bench.create(custom, sql=sql, outputs={"o0": output}, **said))
    assert resource.phase is Phase.SUCCEEDED, resource.message
    return resource.outputs.to_flyte_idl().literals["o0"]


@pytest.mark.parametrize(
    ("sql", "output", "field", "expected"),
    [
        ("SELECT 9007199254740993", int, "integer", 9007199254740993),
        ("SELECT 0.5", float, "float_value", 0.5),
        ("SELECT 'text'", str, "string_value", "text"),
        ("SELECT true", bool, "boolean", True),
        ("SELECT 7", str, "string_value", "7"),
    ],
)
def test_one_value_is_typed(bench: Any, sql: str, output: Any, field: str, expected: Any) -> None:
    literal = result(bench, sql, output)

    assert getattr(literal.scalar.primitive, field) == expected


def test_rows_become_dicts_or_a_column(bench: Any) -> None:
    rows = result(
        bench, "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS t(n, s) ORDER BY n", list[dict], "rows"
    )
    column = result(
        bench,
        "SELECT * FROM (VALUES (1), (2)) AS t(n) ORDER BY n",
        list[int],
        "rows",
        prefix="s3://b/2",
    )

    assert len(rows.collection.literals) == 2
    assert [item.scalar.primitive.integer for item in column.collection.literals] == [1, 2]


def test_a_row_becomes_an_output_for_each_column(bench: Any) -> None:
    custom = {"statement": {}, "outputs": {"kind": "row"}}
    meta = bench.create(custom, sql="SELECT 1 AS n, 2 AS s", outputs={"n": int, "s": str})

    resource = bench.settle(meta)
    assert resource.phase is Phase.SUCCEEDED, resource.message
    made = resource.outputs.to_flyte_idl().literals

    assert (made["n"].scalar.primitive.integer, made["s"].scalar.primitive.string_value) == (1, "2")


def test_parameters_are_typed(bench: Any) -> None:
    said = {
        "inputs": {"n": int, "day": dt.datetime},
        "values": {"n": 41, "day": dt.datetime(2026, 1, 2)},
    }
    types = {"n": "BIGINT", "day": "DATE"}

    literal = result(bench, "SELECT :n + 1", int, statement={"parameters": types}, **said)

    assert literal.scalar.primitive.integer == 42
    body = bench.body("statements.execute")
    assert {"name": "day", "type": "DATE", "value": "2026-01-02"} in body["parameters"]
    assert body["wait_timeout"] == "0s"


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [
        (dt.datetime(2026, 1, 2, 3, 4, 5, 6), "TIMESTAMP_NTZ", "2026-01-02T03:04:05.000006"),
        (dt.datetime(2026, 1, 2, tzinfo=dt.timezone(-HOUR)), "TIMESTAMP", "2026-01-02T01:00:00.000000Z"),
        (dt.timedelta(seconds=1.5), "DOUBLE", "1.5"),
        (True, "BOOLEAN", "true"),
        (2**62 + 1, "BIGINT", str(2**62 + 1)),
        ([1, "a"], "STRING", '[1, "a"]'),
    ],
)  # fmt: skip
def test_values_as_parameters(value: Any, kind: str, text: str) -> None:
    assert parameter_text(value, kind) == text


def test_a_parameter_of_nothing_is_null(bench: Any) -> None:
    call = {"inputs": {"n": int}, "values": {}}
    failed = bench.create({"statement": {"parameters": {"n": "INT"}}}, sql="SELECT :n", **call)

    assert "found no input 'n'" in bench.get(failed).message


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("LONG", "9007199254740993", 9007199254740993),
        ("DECIMAL", "1.10", decimal.Decimal("1.10")),
        ("DATE", "2026-01-02", dt.date(2026, 1, 2)),
        (
            "TIMESTAMP",
            "2026-01-02T03:04:05.000Z",
            dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc),
        ),
        ("BOOLEAN", "true", True),
        ("ARRAY", "[1, 2]", [1, 2]),
        ("BINARY", "aGk=", b"hi"),
        ("INTERVAL", "1 day", "1 day"),
    ],
)
def test_values_of_every_type(kind: str, text: str, value: Any) -> None:
    assert _MAKERS[kind](text) == value


def test_create_twice_is_one_statement(bench: Any) -> None:
    call = bench.call_of(ROWS, sql="SELECT 1 AS n", outputs={"o0": list[int]})

    metas = [bench.run(lambda: bench.agent.create(**call)) for _ in range(2)]

    assert metas[0].run_id == metas[1].run_id
    assert len(bench.vendor.statements) == 1
    (tag,) = bench.body("statements.execute")["query_tags"]
    assert tag["key"] == TAG


@pytest.mark.parametrize(
    "fault", [{"drop_connection": "after"}, {"status": 503, "work_first": True}]
)
def test_a_statement_whose_answer_is_lost_is_found(bench: Any, fault: Any) -> None:
    bench.vendor.faults.add("statements.execute", times=1, **fault)

    meta = bench.create(ROWS, sql="SELECT 1 AS n", outputs={"o0": list[int]})

    assert bench.settle(meta).phase is Phase.SUCCEEDED
    assert len(bench.vendor.statements) == 1


def test_delete_stops_a_statement(bench: Any) -> None:
    bench.vendor.statements.hold = "RUNNING"
    meta = bench.create(ROWS, sql="SELECT 1 AS n", outputs={"o0": list[int]})
    assert bench.get(meta).phase is Phase.RUNNING

    bench.delete(meta)

    assert bench.vendor.statements.get(meta.run_id).state == "CANCELED"
    assert bench.get(meta).phase is Phase.FAILED
    bench.delete(meta)


def test_undo_stops_what_was_sent(bench: Any) -> None:
    bench.vendor.statements.hold = "RUNNING"
    attempt = bench.attempt(ROWS, sql="SELECT 1 AS n", outputs={"o0": list[int]})
    meta = bench.run(lambda: bench.agent.create(attempt))

    bench.run(lambda: bench.agent.undo(attempt))

    assert bench.vendor.statements.get(meta.run_id).state == "CANCELED"


def test_undo_of_nothing_is_fine(bench: Any) -> None:
    attempt = bench.attempt(ROWS, sql="SELECT 1 AS n", outputs={"o0": list[int]})

    bench.run(lambda: bench.agent.undo(attempt), 3.0)


@pytest.mark.parametrize(
    ("sql", "source", "said"),
    [
        ("SELECT * FROM range(7)", {"max_rows": 5}, "at most 5 as values"),
        ("SELEC 1", {}, "Correct the SQL"),
    ],
)
def test_what_goes_wrong_is_told(bench: Any, sql: str, source: Any, said: str) -> None:
    custom = {"statement": {}, "outputs": {"kind": "rows", **source}}

    resource = bench.settle(bench.create(custom, sql=sql, outputs={"o0": list[int]}))

    assert resource.phase is Phase.FAILED
    assert said in resource.message


@pytest.mark.parametrize(
    ("sql", "variable", "said"),
    [("", "w", "sql: found no text"), ("SELECT 1", "", "statement.warehouse_id")],
)
def test_what_is_missing_is_told(
    bench: Any, monkeypatch: Any, sql: str, variable: str, said: str
) -> None:
    monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", variable)

    assert said in bench.get(bench.create({"statement": {}}, sql=sql or None)).message


@pytest.mark.parametrize("code", sorted(errors.STATEMENT_ERRORS))
def test_every_error_code_is_a_kind_of_error(code: str) -> None:
    found = failure_of({
        "status": {"state": "FAILED", "error": {"error_code": code, "message": "m"}}
    })

    assert isinstance(found, (TaskError, RetryableError))
    assert found.code == f"DATABRICKS.{code}"


def test_a_cancel_of_an_adopted_statement_may_be_ours() -> None:
    status = {"status": {"state": "CANCELED"}}

    assert isinstance(failure_of(status), TaskError)
    assert isinstance(failure_of(status, adopted=True), RetryableError)
    assert failure_of({"status": {"state": "A_NEW_STATE"}}) is None


def test_metrics_logs_and_links(bench: Any) -> None:
    meta = bench.create(ROWS, sql="SELECT 1 AS n", outputs={"o0": list[int]})
    resource = bench.settle(meta)

    assert resource.custom_info["rows"] == 1
    assert resource.links["Databricks query"].endswith(meta.run_id)
    assert "rows" in str(bench.run(lambda: bench.agent.get_metrics(meta)))
    assert bench.agent.links(meta) == resource.links


def test_without_a_history_the_statement_is_sent(bench: Any) -> None:
    bench.vendor.faults.add("history", status=403, reason="PERMISSION_DENIED", times=None)

    assert (
        bench.settle(bench.create(ROWS, sql="SELECT 1", outputs={"o0": list[int]})).phase
        is Phase.SUCCEEDED
    )
