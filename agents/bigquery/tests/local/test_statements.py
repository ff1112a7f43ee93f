"""Statements that change something: DML, DDL, scripts, transactions, sessions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal as D  # noqa: N817 - tables of values read better with it

import pytest
from google.api_core.exceptions import BadRequest, Conflict, GoogleAPICallError, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import QueryJobConfig

pytestmark = pytest.mark.once


@pytest.fixture
def run(client):
    """Run a query; the finished job."""

    def execute(sql: str, **settings: object) -> bigquery.QueryJob:
        job = client.query(sql, job_config=QueryJobConfig(**settings), retry=None, job_retry=None)
        job.result(retry=None, job_retry=None)
        return client.get_job(job.job_id, location=job.location)

    execute("CREATE SCHEMA d")
    return execute


@pytest.fixture
def rows(client):
    return lambda sql: [
        tuple(row.values()) for row in client.query_and_wait(sql, retry=None, job_retry=None)
    ]


# -- DML --------------------------------------------------------------------------------------------


@pytest.fixture
def stock(run):
    run("CREATE TABLE d.stock (item STRING, number INT64, price NUMERIC)")
    job = run("INSERT INTO d.stock (item, number, price) VALUES ('a', 1, 1.5), ('b', 2, DEFAULT)")
    assert (job.statement_type, job.num_dml_affected_rows) == ("INSERT", 2)
    assert job.dml_stats.inserted_row_count == 2
    return "d.stock"


def test_insert_takes_values_and_queries(stock, run, rows):
    run("INSERT d.stock SELECT 'c', 3, 4")
    run("INSERT INTO d.stock VALUES ('d', NULL, 2.25)")
    assert rows("SELECT * FROM d.stock ORDER BY item") == [
        ("a", 1, D("1.5")),
        ("b", 2, None),
        ("c", 3, D(4)),
        ("d", None, D("2.25")),
    ]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("INSERT INTO d.stock VALUES (1, 2, 3)", "Value of type INT64 cannot be assigned to item"),
        ("INSERT INTO d.stock (item) VALUES ('a', 2)", "wrong column count; Has 2, expected 1"),
        ("INSERT INTO d.stock (nope) VALUES (1)", "Column nope is not present in table"),
        ("INSERT INTO d.stock SELECT 1, 2, 3", "Query column 1 has type INT64 which cannot be"),
        ("UPDATE d.stock SET number = 1", "UPDATE must have a WHERE clause"),
        ("DELETE FROM d.stock", "DELETE must have a WHERE clause"),
        ("UPDATE d.stock SET number = 'x' WHERE TRUE", "cannot be assigned to number"),
        ("UPDATE d.stock SET nope = 1 WHERE TRUE", "Column nope is not present"),
        ("DELETE d.stock WHERE zz = 1", "Unrecognized name: zz"),
    ],
)
def test_mistaken_dml_changes_nothing(stock, run, rows, sql, message):
    with pytest.raises(BadRequest, match=message):
        run(sql)
    assert rows("SELECT COUNT(*) FROM d.stock") == [(2,)]


def test_update_and_delete(stock, run, rows):
    job = run("UPDATE d.stock AS s SET number = s.number * 10, price = DEFAULT WHERE s.item = 'a'")
    assert (job.statement_type, job.num_dml_affected_rows) == ("UPDATE", 1)
    assert rows("SELECT number, price FROM d.stock WHERE item = 'a'") == [(10, None)]
    job = run("DELETE FROM d.stock WHERE number > 5")
    assert (job.statement_type, job.dml_stats.deleted_row_count) == ("DELETE", 1)
    assert run("TRUNCATE TABLE d.stock").num_dml_affected_rows == 1
    assert rows("SELECT COUNT(*) FROM d.stock") == [(0,)]


def test_update_from_another_table(stock, run, rows):
    run(
        "UPDATE d.stock s SET number = n.number FROM (SELECT 'a' AS item, 7 AS number) n "
        "WHERE s.item = n.item"
    )
    assert rows("SELECT item, number FROM d.stock ORDER BY 1") == [("a", 7), ("b", 2)]


def test_a_row_is_not_updated_by_two(stock, run, rows):
    with pytest.raises(BadRequest, match="must match at most one source row"):
        run("UPDATE d.stock s SET number = x FROM UNNEST([1, 2]) x WHERE TRUE")
    assert rows("SELECT SUM(number) FROM d.stock") == [(3,)]


def test_merge_does_all_at_once(stock, run, rows):
    job = run(
        """MERGE d.stock t USING (SELECT 'a' AS item, 5 AS n UNION ALL SELECT 'z', 9) s
           ON t.item = s.item
           WHEN MATCHED AND s.n > 100 THEN DELETE
           WHEN MATCHED THEN UPDATE SET number = t.number + s.n
           WHEN NOT MATCHED THEN INSERT (item, number) VALUES (s.item, s.n)
           WHEN NOT MATCHED BY SOURCE THEN DELETE"""
    )
    stats = job.dml_stats
    assert (stats.inserted_row_count, stats.updated_row_count, stats.deleted_row_count) == (1, 1, 1)
    assert rows("SELECT item, number FROM d.stock ORDER BY 1") == [("a", 6), ("z", 9)]


def test_merge_inserts_whole_rows(stock, run, rows):
    run(
        "MERGE d.stock t USING (SELECT 'q' AS i, 1 AS n, NUMERIC '2' AS p) s ON FALSE "
        "WHEN NOT MATCHED THEN INSERT ROW"
    )
    assert rows("SELECT * FROM d.stock WHERE item = 'q'") == [("q", 1, D(2))]


def test_merge_does_not_change_a_row_twice(stock, run):
    with pytest.raises(BadRequest, match="must match at most one source row"):
        run(
            "MERGE d.stock t USING UNNEST([1, 2]) s ON t.item = 'a' "
            "WHEN MATCHED THEN UPDATE SET number = s"
        )


# -- DDL --------------------------------------------------------------------------------------------


def test_create_table_with_a_schema(run, client):
    job = run(
        """CREATE TABLE d.t (
             a INT64 NOT NULL OPTIONS (description = 'the a'), s STRING(3), n NUMERIC(5, 2),
             r ARRAY<STRUCT<x INT64, y DATE>>, ts TIMESTAMP)
           PARTITION BY DATE(ts) CLUSTER BY a, s
           OPTIONS (description = 'all of it', labels = [('team', 'x')])"""
    )
    assert (job.statement_type, job.ddl_operation_performed) == ("CREATE_TABLE", "CREATE")
    assert job.ddl_target_table.table_id == "t"
    table = client.get_table("d.t")
    assert [(f.name, f.field_type, f.mode) for f in table.schema] == [
        ("a", "INTEGER", "REQUIRED"), ("s", "STRING", "NULLABLE"), ("n", "NUMERIC", "NULLABLE"),
        ("r", "RECORD", "REPEATED"), ("ts", "TIMESTAMP", "NULLABLE"),
    ]  # fmt: skip
    assert table.schema[0].description == "the a"
    assert (table.schema[1].max_length, table.schema[2].precision) == (3, 5)
    assert (table.time_partitioning.field, table.clustering_fields) == ("ts", ["a", "s"])
    assert (table.description, table.labels) == ("all of it", {"team": "x"})


@pytest.mark.parametrize(
    "cells", ["NULL, 'x', 1", "1, 'long', 1", "1, 'x', 1.555", "1, 'x', 12345"]
)
def test_a_schema_is_enforced(run, cells):
    run("CREATE TABLE d.t (a INT64 NOT NULL, s STRING(3), n NUMERIC(5, 2))")
    with pytest.raises(BadRequest, match="Constraint of the table violated"):
        run(f"INSERT INTO d.t VALUES ({cells})")


def test_create_table_as_select_replace_and_skip(run, rows):
    assert run("CREATE TABLE d.t AS SELECT 1 AS a").statement_type == "CREATE_TABLE_AS_SELECT"
    with pytest.raises(Conflict, match=r"Already Exists: Table local:d.t"):
        run("CREATE TABLE d.t AS SELECT 2 AS a")
    skipped = run("CREATE TABLE IF NOT EXISTS d.t AS SELECT 2 AS a")
    assert (skipped.ddl_operation_performed, rows("SELECT * FROM d.t")) == ("SKIP", [(1,)])
    replaced = run("CREATE OR REPLACE TABLE d.t AS SELECT a + 1 AS b FROM d.t")
    assert (replaced.ddl_operation_performed, rows("SELECT b FROM d.t")) == ("REPLACE", [(2,)])


def test_a_failed_replace_keeps_the_old_table(run, rows):
    run("CREATE TABLE d.t AS SELECT 1 AS a")
    with pytest.raises(BadRequest, match="division by zero"):
        run("CREATE OR REPLACE TABLE d.t AS SELECT 1 / (a - a) AS a FROM d.t")
    assert rows("SELECT a FROM d.t") == [(1,)]


def test_copies_of_tables(run, rows, client):
    run("CREATE TABLE d.t AS SELECT 1 AS a, 'x' AS b")
    run("CREATE TABLE d.c COPY d.t")
    run("CREATE TABLE d.l LIKE d.t")
    assert rows("SELECT * FROM d.c") == [(1, "x")]
    assert client.get_table("d.l").num_rows == 0


def test_drop_table_and_schema(run, client):
    run("CREATE TABLE d.t AS SELECT 1 AS a")
    with pytest.raises(BadRequest, match="Dataset local:d is still in use"):
        run("DROP SCHEMA d")
    assert run("DROP TABLE d.t").ddl_operation_performed == "DROP"
    assert run("DROP TABLE IF EXISTS d.t").ddl_operation_performed == "SKIP"
    with pytest.raises(NotFound, match=r"Not found: Table local:d.t"):
        run("DROP TABLE d.t")
    run("CREATE TABLE d.u AS SELECT 1 AS a")
    run("DROP SCHEMA d CASCADE")
    run("DROP SCHEMA IF EXISTS d")
    run("CREATE SCHEMA IF NOT EXISTS other OPTIONS (location = 'EU', description = 'there')")
    run("CREATE SCHEMA IF NOT EXISTS other")
    assert client.get_dataset("other").location == "EU"


def test_alter_table(run, client, rows):
    run("CREATE TABLE d.t AS SELECT 1 AS a, 2 AS b")
    run(
        "ALTER TABLE d.t ADD COLUMN c STRING OPTIONS (description = 'new'), ADD COLUMN IF NOT EXISTS a INT64"
    )
    run("ALTER TABLE d.t DROP COLUMN b")
    run("ALTER TABLE d.t SET OPTIONS (description = 'changed')")
    assert rows("SELECT * FROM d.t") == [(1, None)]
    table = client.get_table("d.t")
    assert (table.description, table.schema[1].description) == ("changed", "new")
    with pytest.raises(BadRequest, match="Column already exists: a"):
        run("ALTER TABLE d.t ADD COLUMN a INT64")
    with pytest.raises(BadRequest, match="Column not found: z"):
        run("ALTER TABLE d.t DROP COLUMN z")


def test_views_follow_their_tables(run, rows, client):
    run("CREATE TABLE d.t AS SELECT 1 AS a")
    run("CREATE VIEW d.v OPTIONS (description = 'v') AS SELECT a * 2 AS twice FROM d.t")
    run("INSERT INTO d.t VALUES (5)")
    assert rows("SELECT twice FROM d.v ORDER BY 1") == [(2,), (10,)]
    view = client.get_table("d.v")
    assert (view.table_type, view.view_query) == ("VIEW", "SELECT a * 2 AS twice FROM d.t")
    with pytest.raises(BadRequest, match=r"Cannot drop local.d.v as it is a VIEW"):
        run("DROP TABLE d.v")
    run("DROP VIEW d.v")


def test_range_partitions(run, client):
    run(
        "CREATE TABLE d.t PARTITION BY RANGE_BUCKET(a, GENERATE_ARRAY(0, 100, 10)) AS SELECT 1 AS a"
    )
    assert client.get_table("d.t").range_partitioning.range_.interval == 10


# -- scripts ----------------------------------------------------------------------------------------


def test_a_script_has_a_child_job_for_each_statement(run, client, server):
    job = run(
        """DECLARE n INT64 DEFAULT 2;
           CREATE TEMP TABLE x AS SELECT a FROM UNNEST([1, 2, 3]) a;
           SET n = n + 1;
           INSERT INTO x VALUES (n * 10);
           SELECT SUM(a) AS total FROM x;"""
    )
    assert (job.statement_type, job.num_child_jobs) == ("SCRIPT", 3)
    assert [tuple(row) for row in job.result()] == [(36,)]
    children = list(client.list_jobs(parent_job=job.job_id))
    assert [child.statement_type for child in children] == [
        "SELECT", "INSERT", "CREATE_TABLE_AS_SELECT",
    ]  # fmt: skip
    last = children[0]
    assert (last.parent_job_id, last.query) == (job.job_id, "SELECT SUM(a) AS total FROM x")
    frame = last.script_statistics.stack_frames[0]
    assert (frame.start_line, frame.text) == (5, "SELECT SUM(a) AS total FROM x")
    assert [tuple(row) for row in last.result()] == [(36,)]
    # The script's own table is gone, and the list shows no children.
    assert job.job_id in [listed.job_id for listed in client.list_jobs()]
    assert last.job_id not in [listed.job_id for listed in client.list_jobs()]


def test_a_script_stops_at_its_first_error(run, client, rows):
    run("CREATE TABLE d.t AS SELECT 1 AS a")
    job = client.query("INSERT INTO d.t VALUES (2);\nSELECT 1 / 0;\nINSERT INTO d.t VALUES (3);")
    with pytest.raises(BadRequest, match="division by zero"):
        job.result()
    assert rows("SELECT a FROM d.t ORDER BY a") == [(1,), (2,)]
    children = list(client.list_jobs(parent_job=job.job_id))
    assert [bool(child.error_result) for child in children] == [True, False]


def test_errors_of_a_script_say_where(run, client):
    with pytest.raises(BadRequest, match=r"Unrecognized name: nope at \[2:8\]"):
        run("SELECT 1;\nSELECT nope;")


def test_variables_have_types(rows):
    found = rows(
        """DECLARE a, b INT64; DECLARE t TIMESTAMP DEFAULT '2020-01-01'; DECLARE s DEFAULT 'it''s';
           SELECT a IS NULL, t, s, [1] || [2]""".replace("it''s", "its")
    )
    assert (found[0][0], found[0][1].year, found[0][2]) == (True, 2020, "its")


def test_variables_must_be_declared(run):
    with pytest.raises(BadRequest, match="Undeclared variable: x"):
        run("SET x = 1")


def test_a_transaction_is_all_or_nothing(run, rows):
    run("CREATE TABLE d.t AS SELECT 1 AS a")
    run("BEGIN TRANSACTION; INSERT INTO d.t VALUES (2); SELECT * FROM d.t; ROLLBACK TRANSACTION;")
    assert rows("SELECT COUNT(*) FROM d.t") == [(1,)]
    run("BEGIN TRANSACTION; INSERT INTO d.t VALUES (2); COMMIT TRANSACTION;")
    assert rows("SELECT COUNT(*) FROM d.t") == [(2,)]
    with pytest.raises(GoogleAPICallError, match="division by zero"):
        run("BEGIN TRANSACTION; DELETE FROM d.t WHERE TRUE; SELECT 1 / 0; COMMIT TRANSACTION;")
    assert rows("SELECT COUNT(*) FROM d.t") == [(2,)]
    with pytest.raises(BadRequest, match="There is no active transaction"):
        run("SELECT 1; COMMIT TRANSACTION;")


def test_a_session_keeps_what_its_jobs_make(client):
    first = client.query(
        "CREATE TEMP TABLE x AS SELECT 5 AS a", job_config=QueryJobConfig(create_session=True)
    )
    session = first.session_info.session_id
    first.result()
    same = QueryJobConfig(
        connection_properties=[bigquery.ConnectionProperty("session_id", session)]
    )
    assert [tuple(row) for row in client.query("SELECT a FROM x", job_config=same).result()] == [
        (5,)
    ]
    with pytest.raises(BadRequest, match="must be qualified"):
        client.query("SELECT a FROM x").result()


def test_an_unknown_session_is_not_found(client):
    unknown = QueryJobConfig(connection_properties=[bigquery.ConnectionProperty("session_id", "x")])
    with pytest.raises(NotFound, match="Session x"):
        client.query("SELECT 1", job_config=unknown).result()


def test_functions_can_come_with_the_job(run):
    code = "CREATE TEMP FUNCTION half(x FLOAT64) AS (x / 2)"
    job = run("SELECT half(3)", udf_resources=[bigquery.UDFResource("inlineCode", code)])
    assert [tuple(row) for row in job.result()] == [(1.5,)]


def test_dates_are_compared_with_text_in_dml(run, rows):
    run("CREATE TABLE d.t AS SELECT DATE '2020-01-01' AS day")
    run("UPDATE d.t SET day = '2021-02-03' WHERE day < '2020-06-01'")
    assert rows("SELECT day FROM d.t") == [(date(2021, 2, 3),)]
