"""Statements on a warehouse: DuckDB runs them, the real SDK asks for them."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from databricks.sdk import errors
from databricks.sdk.errors import BadRequest, NotFound
from databricks.sdk.service.sql import (
    Disposition,
    ExecuteStatementRequestOnWaitTimeout,
    Format,
    StatementParameterListItem,
)

ENDLESS = "SELECT COUNT(*) FROM range(100000) a, range(100000) b, range(1000) c WHERE a.id * b.id % 7 = c.id"


@pytest.fixture
def ask(desk):
    """Run a statement and wait for it."""

    def run(statement, **options):
        sql = desk.client.statement_execution
        return sql.execute_statement(statement, desk.server.warehouse_id, **options)

    return run


def rows(answer):
    assert answer.status.state.value == "SUCCEEDED", answer.status.error
    return answer.result.data_array or []


@pytest.mark.parametrize(
    ("expression", "type_name", "type_text", "text"),
    [
        ("1", "INT", "INT", "1"),
        ("CAST(1 AS BIGINT)", "LONG", "BIGINT", "1"),
        ("CAST(1 AS SMALLINT)", "SHORT", "SMALLINT", "1"),
        ("CAST(1 AS TINYINT)", "BYTE", "TINYINT", "1"),
        ("CAST(1.5 AS DOUBLE)", "DOUBLE", "DOUBLE", "1.5"),
        ("CAST(1.5 AS FLOAT)", "FLOAT", "FLOAT", "1.5"),
        ("1.50", "DECIMAL", "DECIMAL(3,2)", "1.50"),
        ("true", "BOOLEAN", "BOOLEAN", "true"),
        ("'é'", "STRING", "STRING", "é"),
        ("DATE'2024-02-29'", "DATE", "DATE", "2024-02-29"),
        ("TIMESTAMP'2024-02-29 01:02:03.5'", "TIMESTAMP", "TIMESTAMP", "2024-02-29T01:02:03.500Z"),
        ("CAST('a' AS BINARY)", "BINARY", "BINARY", "YQ=="),
        ("array(1, 2)", "ARRAY", "ARRAY<INT>", "[1,2]"),
        (
            "named_struct('a', 1, 'b', array('x'))",
            "STRUCT",
            "STRUCT<a: INT, b: ARRAY<STRING>>",
            '{"a":1,"b":["x"]}',
        ),
        ("map('k', 2)", "MAP", "MAP<STRING, INT>", '{"k":2}'),
        ("NULL", "NULL", "VOID", None),
    ],
)
def test_every_type_comes_as_text(ask, expression, type_name, type_text, text):
    answer = ask(f"SELECT {expression} AS x")
    (column,) = answer.manifest.schema.columns
    assert (column.name, column.type_name.value, column.type_text, column.position) == (
        "x",
        type_name,
        type_text,
        0,
    )
    assert rows(answer) == [[text]]


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("INT", "3", "4"),
        ("DECIMAL(10,2)", "1.25", "2.25"),
        ("BIGINT", str(2**60), str(2**60 + 1)),
        ("INT", None, None),
    ],
)
def test_parameters_have_types(ask, kind, value, text):
    given = [StatementParameterListItem("n", type=kind, value=value)]
    assert rows(ask("SELECT :n + 1 AS x", parameters=given)) == [[text]]


def test_a_parameter_is_a_value_and_no_sql(ask):
    given = [StatementParameterListItem("who", value="'; DROP TABLE t; --")]
    assert rows(ask("SELECT :who", parameters=given)) == [["'; DROP TABLE t; --"]]


def test_tables_live_in_catalogs_and_schemas(ask):
    for statement in (
        "CREATE CATALOG IF NOT EXISTS sales",
        "CREATE SCHEMA IF NOT EXISTS sales.eu",
        "CREATE OR REPLACE TABLE sales.eu.orders (id BIGINT, what STRING) USING DELTA",
    ):
        assert rows(ask(statement)) == []
    inserted = ask("INSERT INTO orders VALUES (1, 'a'), (2, 'b')", catalog="sales", schema="eu")
    assert [c.name for c in inserted.manifest.schema.columns] == [
        "num_affected_rows",
        "num_inserted_rows",
    ]
    assert rows(inserted) == [["2", "2"]]
    assert rows(ask("UPDATE sales.eu.orders SET what = 'c' WHERE id = 2")) == [["1"]]
    assert rows(ask("SELECT o.what FROM sales.eu.orders AS o ORDER BY id DESC")) == [["c"], ["a"]]
    assert rows(ask("DELETE FROM sales.eu.orders")) == [["2"]]
    assert rows(ask("USE CATALOG sales; SELECT 1; SELECT 2")) == [["2"]]


@pytest.mark.parametrize(
    ("statement", "sql_state", "words"),
    [
        ("SELECT * FROM nowhere", "42P01", "[TABLE_OR_VIEW_NOT_FOUND]"),
        ("SELECT nope FROM (SELECT 1 AS x)", "42703", "[UNRESOLVED_COLUMN"),
        ("SELEC 1 FROM", "42601", "[PARSE_SYNTAX_ERROR]"),
        ("SELECT CAST('x' AS INT)", "22018", "[CAST_INVALID_INPUT]"),
        ("SELECT :missing", "42P02", "unbound parameter: missing"),
        ("SELECT no_such_function(1)", "42883", "[UNRESOLVED_ROUTINE]"),
        ("-- nothing", "42617", "[PARSE_EMPTY_STATEMENT]"),
        ("OPTIMIZE t ZORDER BY x", "0A000", "run it on Databricks"),
    ],
)
def test_a_mistake_is_an_answer_with_its_condition(desk, statement, sql_state, words):
    body = {"statement": statement, "warehouse_id": desk.server.warehouse_id}
    status = desk.client.api_client.do("POST", "/api/2.0/sql/statements", body=body)["status"]
    assert status["state"] == "FAILED"
    assert words in status["error"]["message"]
    assert status["sql_state"] == sql_state


def test_errors_can_be_scripted(desk, ask):
    desk.server.statements.fail_next("TEMPORARILY_UNAVAILABLE", "later", "57P03")
    status = ask("SELECT 1").status
    assert (status.error.error_code.value, status.error.message) == (
        "TEMPORARILY_UNAVAILABLE",
        "later",
    )
    assert rows(ask("SELECT 1")) == [["1"]]


def test_results_come_in_chunks(desk, ask):
    answer = ask("SELECT id FROM range(25000)")
    assert [chunk.row_count for chunk in answer.manifest.chunks] == [10000, 10000, 5000]
    found, chunk = list(answer.result.data_array), answer.result
    while chunk.next_chunk_index is not None:
        chunk = desk.client.statement_execution.get_statement_result_chunk_n(
            answer.statement_id, chunk.next_chunk_index
        )
        found += chunk.data_array
    assert [int(row[0]) for row in found] == list(range(25000))
    with pytest.raises(BadRequest, match="there are 3 chunks"):
        desk.client.statement_execution.get_statement_result_chunk_n(answer.statement_id, 9)


@pytest.mark.parametrize("form", [Format.JSON_ARRAY, Format.CSV])
def test_large_results_are_fetched_by_links_without_a_token(desk, ask, form):
    answer = ask(
        "SELECT id, NULL AS n FROM range(2)", disposition=Disposition.EXTERNAL_LINKS, format=form
    )
    (link,) = answer.result.external_links
    with urllib.request.urlopen(link.external_link) as reply:
        text = reply.read().decode()
    if form is Format.CSV:
        assert text == "id,n\r\n0,null\r\n1,null\r\n"
    else:
        assert json.loads(text) == [["0", None], ["1", None]]
    request = urllib.request.Request(link.external_link, headers={"Authorization": "Bearer x"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request)
    assert caught.value.code == 400
    caught.value.close()


def test_limits_cut_a_result_and_say_so(ask):
    answer = ask("SELECT id FROM range(10)", row_limit=3)
    assert (rows(answer), answer.manifest.truncated) == ([["0"], ["1"], ["2"]], True)
    answer = ask("SELECT repeat('x', 10) FROM range(10)", byte_limit=25)
    assert (len(rows(answer)), answer.manifest.truncated) == (2, True)


def test_a_result_that_is_too_large_to_be_inline_fails(ask):
    status = ask("SELECT repeat('x', 1000000) FROM range(30)").status
    assert "EXTERNAL_LINKS" in status.error.message


@pytest.mark.parametrize("state", ["PENDING", "RUNNING"])
def test_statements_can_be_held(desk, ask, state):
    desk.server.statements.hold = state
    sql = desk.client.statement_execution
    answer = ask("SELECT 7", wait_timeout="0s")
    cancelled = ask("SELECT 8", wait_timeout="0s")
    while sql.get_statement(answer.statement_id).status.state.value != state:
        pass
    sql.cancel_execution(cancelled.statement_id)
    assert sql.get_statement(cancelled.statement_id).status.state.value == "CANCELED"
    desk.server.statements.release()
    assert desk.server.statements.get(answer.statement_id).done.wait(10)
    assert rows(sql.get_statement(answer.statement_id)) == [["7"]]
    with pytest.raises(BadRequest, match="has no result"):
        sql.get_statement_result_chunk_n(cancelled.statement_id, 0)


def test_cancel_interrupts_what_runs(desk, ask):
    sql = desk.client.statement_execution
    answer = ask(ENDLESS, wait_timeout="0s")
    while sql.get_statement(answer.statement_id).status.state.value != "RUNNING":
        pass
    sql.cancel_execution(answer.statement_id)
    assert desk.server.statements.get(answer.statement_id).done.wait(10)
    assert sql.get_statement(answer.statement_id).status.state.value == "CANCELED"


def test_cancelling_a_run_interrupts_its_sql(desk, write):
    desk.server.put_file("/Workspace/endless.sql", ENDLESS)
    sql = {"warehouse_id": desk.server.warehouse_id, "file": {"path": "/Workspace/endless.sql"}}
    run_id = desk.submit(write.task(sql_task=sql))
    desk.until(run_id, "RUNNING")
    desk.client.jobs.cancel_run(run_id)
    assert desk.ended(run_id).state.result_state.value == "CANCELED"


@pytest.mark.parametrize(
    ("body", "error", "match"),
    [
        ({"warehouse_id": "nope"}, BadRequest, "nope is not a valid endpoint id"),
        ({"statement": ""}, BadRequest, "expected some SQL"),
        ({"wait_timeout": "3s"}, BadRequest, "expected 0s, or 5s to 50s"),
        ({"format": "CSV"}, BadRequest, "not supported with this disposition"),
        (
            {"format": "ARROW_STREAM", "disposition": "EXTERNAL_LINKS"},
            errors.NotImplemented,
            "use JSON_ARRAY or CSV",
        ),
    ],
)
def test_requests_that_cannot_be_are_refused(desk, body, error, match):
    given = {"statement": "SELECT 1", "warehouse_id": desk.server.warehouse_id, **body}
    with pytest.raises(error, match=match):
        desk.client.api_client.do("POST", "/api/2.0/sql/statements", body=given)


def test_what_is_not_known_is_not_found(desk):
    with pytest.raises(NotFound, match="statement x was not found"):
        desk.client.statement_execution.get_statement("x")
    with pytest.raises(NotFound):
        desk.client.warehouses.get("x")
    with pytest.raises(NotFound):
        desk.client.queries.get("x")


def test_a_stopped_warehouse_starts_with_a_statement(desk, ask):
    warehouses = desk.client.warehouses
    (only,) = warehouses.list()
    assert (only.id, only.state.value) == (desk.server.warehouse_id, "RUNNING")
    warehouses.stop(only.id)
    assert warehouses.get(only.id).state.value == "STOPPED"
    assert rows(ask("SELECT 1", on_wait_timeout=ExecuteStatementRequestOnWaitTimeout.CANCEL)) == [
        ["1"]
    ]
    assert warehouses.get(only.id).state.value == "RUNNING"
    warehouses.stop(only.id)
    warehouses.start(only.id)
    assert warehouses.get(only.id).state.value == "RUNNING"
