"""What queries mean: names, joins, arrays, NULLs, types, and the errors BigQuery gives for mistakes."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal as D  # noqa: N817 - tables of values read better with it

import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError, MethodNotImplemented

from flyte_agent_bigquery.local import LocalBigQuery

pytestmark = pytest.mark.once

PEOPLE = """CREATE TABLE d.people (
  id INT64, name STRING, age INT64, pay NUMERIC, score FLOAT64, born DATE,
  tags ARRAY<STRING>, visits ARRAY<STRUCT<place STRING, days INT64>>,
  home STRUCT<city STRING, zip INT64>)"""
ROWS = """INSERT INTO d.people VALUES
  (1, 'Ann', 30, 10.5, 1.5, '1990-01-01', ['a', 'b'], [STRUCT('Rome', 2), STRUCT('Oslo', 3)],
   STRUCT('Bonn', 53111)),
  (2, 'Bob', NULL, 20, 2.5, '1985-06-15', [], [], STRUCT('Ulm', 89073)),
  (3, 'Cid', 25, NULL, NULL, NULL, ['b'], [STRUCT('Rome', 1)], NULL)"""


@pytest.fixture(scope="module")
def select(connect):
    with LocalBigQuery() as server, connect(server) as client:
        for sql in ["CREATE SCHEMA d", PEOPLE, ROWS,
                    "CREATE TABLE d.log_2020 AS SELECT 1 AS a, 'x' AS b",
                    "CREATE TABLE d.log_2021 AS SELECT 2 AS a, 'y' AS b, TRUE AS c",
                    "CREATE VIEW d.adults AS SELECT id, name FROM d.people WHERE age >= 18"]:  # fmt: skip
            client.query_and_wait(sql, retry=None, job_retry=None)
        yield lambda sql, **settings: [
            tuple(row.values())
            for row in client.query_and_wait(sql, retry=None, job_retry=None, **settings)
        ]
        assert not server.scheduler.broken


CASES = {
    # names
    "SELECT id FROM `local.d.people` ORDER BY id": [(1,), (2,), (3,)],
    "SELECT p.name FROM local.d.people AS p WHERE p.id = 1": [("Ann",)],
    "SELECT people.name FROM d.people WHERE people.id = 1": [("Ann",)],
    "SELECT `d.people`.name FROM `d.people` WHERE id = 1": [("Ann",)],
    "SELECT NAME FROM d.people WHERE ID = 1": [("Ann",)],
    "SELECT home.city, home.zip + 1 FROM d.people WHERE id = 1": [("Bonn", 53112)],
    "SELECT p.home.city FROM d.people p ORDER BY 1": [(None,), ("Bonn",), ("Ulm",)],
    "SELECT home.* FROM d.people WHERE id = 2": [("Ulm", 89073)],
    "SELECT p FROM (SELECT 1 AS a, 'x' AS b) AS p": [({"a": 1, "b": "x"},)],
    "SELECT x.a FROM (SELECT STRUCT(1 AS a) AS x)": [(1,)],
    # NULLs sort first, and last when descending
    "SELECT age FROM d.people ORDER BY age": [(None,), (25,), (30,)],
    "SELECT age FROM d.people ORDER BY age DESC": [(30,), (25,), (None,)],
    "SELECT age FROM d.people ORDER BY age NULLS LAST": [(25,), (30,), (None,)],
    "SELECT id FROM d.people WHERE age <> 30": [(3,)],
    "SELECT id FROM d.people WHERE age IN (30, NULL)": [(1,)],
    "SELECT id FROM d.people WHERE age NOT IN (30, NULL)": [],
    "SELECT id FROM d.people WHERE age IS DISTINCT FROM 30 ORDER BY id": [(2,), (3,)],
    "SELECT COUNT(*) FROM d.people WHERE NOT (age > 26)": [(1,)],
    # arithmetic
    "SELECT 5 / 2, 4 / 2, -7 / 2": [(2.5, 2.0, -3.5)],
    "SELECT 7 - 2 * 3, (7 - 2) * 3, -(-5)": [(1, 15, 5)],
    "SELECT 0.1 + 0.2": [(0.30000000000000004,)],
    "SELECT 2147483647 + 1, 3000000000 * 2": [(2147483648, 6000000000)],
    "SELECT NUMERIC '0.1' + 0.2": [(D("0.3"),)],
    "SELECT NUMERIC '10' / 4, NUMERIC '1' / 3": [(D("2.5"), D("0.333333333"))],
    "SELECT 5 & 3, 5 | 3, 5 ^ 3, ~5": [(1, 7, 6, -6)],
    "SELECT 0x1F, 1e3, .5": [(31, 1000.0, 0.5)],
    "SELECT SUM(pay), AVG(pay), SUM(pay) / COUNT(*) FROM d.people":
        [(D("30.5"), D("15.25"), D("10.166666667"))],
    # casts
    "SELECT CAST(2.5 AS INT64), CAST(3.5 AS INT64), CAST(-2.5 AS INT64)": [(3, 4, -3)],
    "SELECT CAST(NUMERIC '2.5' AS INT64), CAST(' 12 ' AS INT64), CAST('0x1F' AS INT64)": [(3, 12, 31)],
    "SELECT CAST(1.0 AS STRING), CAST(1e15 AS STRING), CAST(1e20 AS STRING), CAST(0.1 AS STRING)":
        [("1.0", "1e+15", "1e+20", "0.1")],
    "SELECT CAST(NUMERIC '1.50' AS STRING), CAST(TRUE AS STRING), CAST(12 AS STRING)":
        [("1.5", "true", "12")],
    "SELECT CAST(TIMESTAMP '2020-01-02 03:04:05.6' AS STRING)": [("2020-01-02 03:04:05.600+00",)],
    "SELECT CAST(DATETIME '2020-01-02 03:04:05' AS STRING), CAST(DATE '2020-01-02' AS STRING)":
        [("2020-01-02 03:04:05", "2020-01-02")],
    "SELECT CAST('a' AS BYTES), CAST(b'a' AS STRING)": [(b"a", "a")],
    "SELECT CAST(1 AS BOOL), CAST(TRUE AS INT64), CAST('TRUE' AS BOOL)": [(True, 1, True)],
    "SELECT SAFE_CAST('x' AS INT64), SAFE_CAST('1.5' AS INT64), SAFE_CAST('2020-13-01' AS DATE)":
        [(None, None, None)],
    "SELECT CAST([1, 2] AS ARRAY<FLOAT64>)": [([1.0, 2.0],)],
    "SELECT CAST(STRUCT(1, 'x') AS STRUCT<a FLOAT64, b STRING>)": [({"a": 1.0, "b": "x"},)],
    "SELECT CAST(0.0009765625 AS NUMERIC), CAST(123456789012.25 AS NUMERIC)":
        [(D("0.000976563"), D("123456789012.25"))],
    "SELECT CAST(INTERVAL 90 MINUTE AS STRING)": [("0-0 0 1:30:0",)],
    # conditions
    "SELECT IF(NULL, 1, 2), IF(1 > 0, 'a', NULL)": [(2, "a")],
    "SELECT CASE id WHEN 1 THEN 'one' WHEN 2 THEN 'two' END FROM d.people ORDER BY id":
        [("one",), ("two",), (None,)],
    "SELECT CASE WHEN age IS NULL THEN 0 ELSE 1.5 END FROM d.people ORDER BY id": [(1.5,), (0.0,), (1.5,)],
    "SELECT id FROM d.people WHERE born BETWEEN '1985-01-01' AND '1989-12-31'": [(2,)],
    "SELECT TRUE AND NULL, FALSE AND NULL, TRUE OR NULL, NOT NULL": [(None, False, True, None)],
    "SELECT (age IS NULL) IS TRUE FROM d.people WHERE id = 2": [(True,)],
    # arrays
    "SELECT id, tag FROM d.people, UNNEST(tags) AS tag ORDER BY 1, 2": [(1, "a"), (1, "b"), (3, "b")],
    "SELECT id, tag FROM d.people p, p.tags AS tag ORDER BY 1, 2": [(1, "a"), (1, "b"), (3, "b")],
    "SELECT id, tag FROM d.people LEFT JOIN UNNEST(tags) AS tag ORDER BY 1, 2":
        [(1, "a"), (1, "b"), (2, None), (3, "b")],
    "SELECT id, place, days FROM d.people, UNNEST(visits) ORDER BY 1, 3":
        [(1, "Rome", 2), (1, "Oslo", 3), (3, "Rome", 1)],
    "SELECT v.place FROM d.people p, p.visits v WHERE v.days > 2": [("Oslo",)],
    "SELECT * FROM UNNEST([STRUCT(1 AS a, 'x' AS b), STRUCT(2, 'y')]) ORDER BY a": [(1, "x"), (2, "y")],
    "SELECT x, o FROM UNNEST(['p', 'q', 'r']) AS x WITH OFFSET AS o ORDER BY o DESC":
        [("r", 2), ("q", 1), ("p", 0)],
    "SELECT x, `offset` FROM UNNEST(['p', 'q']) AS x WITH OFFSET ORDER BY 2": [("p", 0), ("q", 1)],
    "SELECT id, t, o FROM d.people, UNNEST(tags) t WITH OFFSET o ORDER BY 1, 3":
        [(1, "a", 0), (1, "b", 1), (3, "b", 0)],
    "SELECT id FROM d.people WHERE 'b' IN UNNEST(tags) ORDER BY id": [(1,), (3,)],
    "SELECT id, ARRAY(SELECT UPPER(t) FROM UNNEST(tags) t ORDER BY t DESC) FROM d.people ORDER BY id":
        [(1, ["B", "A"]), (2, []), (3, ["B"])],
    "SELECT id, (SELECT SUM(v.days) FROM UNNEST(visits) v) FROM d.people ORDER BY id":
        [(1, 5), (2, None), (3, 1)],
    "SELECT id FROM d.people WHERE EXISTS (SELECT 1 FROM UNNEST(visits) v WHERE v.place = 'Oslo')":
        [(1,)],
    "SELECT ARRAY(SELECT AS STRUCT id, name FROM d.people WHERE id < 3 ORDER BY id DESC)":
        [([{"id": 2, "name": "Bob"}, {"id": 1, "name": "Ann"}],)],
    "SELECT (SELECT AS STRUCT 1 AS a, 2 AS b).b": [(2,)],
    "SELECT AS STRUCT 1 AS a, 'x' AS b": [(1, "x")],
    "SELECT AS VALUE STRUCT(1 AS a, 'x' AS b)": [(1, "x")],
    "SELECT visits[OFFSET(0)].place FROM d.people WHERE id = 1": [("Rome",)],
    "SELECT ARRAY<INT64>[], ARRAY<FLOAT64>[1, 2], [1, 2.5]": [([], [1.0, 2.0], [1.0, 2.5])],
    "SELECT tags FROM d.people ORDER BY id": [(["a", "b"],), ([],), (["b"],)],
    "SELECT ARRAY_LENGTH(tags) FROM d.people ORDER BY id": [(2,), (0,), (1,)],
    # structs
    "SELECT STRUCT(1, 'x')": [({"_field_1": 1, "_field_2": "x"},)],
    "SELECT STRUCT<a INT64, b FLOAT64>(1, 2)": [({"a": 1, "b": 2.0},)],
    "SELECT (1, 'x')": [({"_field_1": 1, "_field_2": "x"},)],
    "SELECT STRUCT(id, name) FROM d.people WHERE id = 1": [({"id": 1, "name": "Ann"},)],
    "SELECT home FROM d.people WHERE id > 1 ORDER BY id": [({"city": "Ulm", "zip": 89073},), (None,)],
    # stars
    "SELECT * EXCEPT (a) FROM (SELECT 1 AS a, 2 AS b, 3 AS c)": [(2, 3)],
    "SELECT * REPLACE (b * 10 AS b) FROM (SELECT 1 AS a, 2 AS b)": [(1, 20)],
    "SELECT x.*, y.b FROM (SELECT 1 AS a) x CROSS JOIN (SELECT 2 AS b) y": [(1, 2)],
    "SELECT * FROM (SELECT 1 AS a, 2 AS b) JOIN (SELECT 1 AS a, 3 AS c) USING (a)": [(1, 2, 3)],
    "SELECT * FROM (SELECT 1 AS b, 2 AS a) JOIN (SELECT 2 AS a, 3 AS c) USING (a)": [(2, 1, 3)],
    "SELECT a.x AS ax, b.x AS bx, x FROM (SELECT 1 AS x) a RIGHT JOIN (SELECT 2 AS x) b USING (x)": [(None, 2, 2)],
    "SELECT a.* FROM (SELECT 1 AS x, 2 AS y) a JOIN (SELECT 1 AS x) b USING (x)": [(1, 2)],
    "SELECT * FROM (SELECT 1 AS x) JOIN (SELECT 1 AS x, 2 AS y) USING (x) JOIN (SELECT 1 AS x, 3 AS z) USING (x)":
        [(1, 2, 3)],
    # joins
    "SELECT a.id, b.id AS other FROM d.people a JOIN d.people b ON a.id = b.id + 1 ORDER BY 1": [(2, 1), (3, 2)],
    "SELECT x, y FROM UNNEST([1, 2]) x LEFT JOIN UNNEST([2, 3]) y ON x = y ORDER BY 1": [(1, None), (2, 2)],
    "SELECT x, y FROM (SELECT 1 AS x) FULL JOIN (SELECT 2 AS y) ON x = y ORDER BY 1": [(None, 2), (1, None)],
    "SELECT a FROM (SELECT 1 AS a) FULL JOIN (SELECT 2 AS a) USING (a) ORDER BY a": [(1,), (2,)],
    "SELECT COUNT(*) FROM d.people, d.people AS b": [(9,)],
    "SELECT a.id FROM d.people a WHERE a.id = (SELECT MAX(b.id) FROM d.people b)": [(3,)],
    "SELECT id FROM d.people a WHERE age > (SELECT AVG(b.age) FROM d.people b WHERE b.id <> a.id)": [(1,)],
    "SELECT id FROM d.people WHERE id IN (SELECT a FROM d.log_2021)": [(2,)],
    # grouping
    "SELECT MOD(id, 2) AS odd, COUNT(*) FROM d.people GROUP BY odd ORDER BY odd": [(0, 1), (1, 2)],
    "SELECT MOD(id, 2), COUNT(*) AS n FROM d.people GROUP BY 1 HAVING n > 1": [(1, 2)],
    "SELECT MOD(id, 2) + 1, MAX(name) FROM d.people GROUP BY MOD(id, 2) ORDER BY 1": [(1, "Bob"), (2, "Cid")],
    "SELECT id, SUM(age) FROM d.people GROUP BY ROLLUP(id) ORDER BY 1": [(None, 55), (1, 30), (2, None), (3, 25)],
    "SELECT UPPER(name) AS name, COUNT(*) FROM d.people GROUP BY name ORDER BY name LIMIT 1": [("ANN", 1)],
    "SELECT DISTINCT tag FROM d.people, UNNEST(tags) tag ORDER BY tag": [("a",), ("b",)],
    "SELECT COUNT(*), SUM(age) FROM d.people WHERE FALSE": [(0, None)],
    "SELECT home.city, COUNT(*) FROM d.people GROUP BY ALL ORDER BY 1": [(None, 1), ("Bonn", 1), ("Ulm", 1)],
    "SELECT name FROM d.people QUALIFY ROW_NUMBER() OVER (ORDER BY id DESC) = 1": [("Cid",)],
    "SELECT name, RANK() OVER (ORDER BY age) AS r FROM d.people QUALIFY r = 1": [("Bob", 1)],
    # set operations
    "SELECT 1 AS a UNION ALL SELECT 1 ORDER BY a": [(1,), (1,)],
    "SELECT 1 UNION DISTINCT SELECT 1": [(1,)],
    "SELECT 1 AS a UNION ALL SELECT 2.5 ORDER BY a DESC LIMIT 1": [(2.5,)],
    "SELECT 1 AS a, NULL AS b UNION ALL SELECT 2, 'x' ORDER BY a": [(1, None), (2, "x")],
    "SELECT x FROM UNNEST([1, 2, 3]) x EXCEPT DISTINCT SELECT 2 ORDER BY x": [(1,), (3,)],
    "SELECT x FROM UNNEST([1, 2, 3]) x INTERSECT DISTINCT SELECT 2": [(2,)],
    "(SELECT 1 AS a) UNION ALL (SELECT 2 ORDER BY 1 LIMIT 1) ORDER BY a DESC": [(2,), (1,)],
    # WITH
    "WITH a AS (SELECT 1 AS x), b AS (SELECT x + 1 AS x FROM a) SELECT * FROM a UNION ALL SELECT * FROM b ORDER BY 1":
        [(1,), (2,)],
    "WITH people AS (SELECT 7 AS id) SELECT id FROM people": [(7,)],
    "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT SUM(i) FROM n": [(10,)],
    # what is not computed cannot fail
    "SELECT IF(FALSE, 1 / 0, 1), COALESCE(1, 1 / 0), CASE WHEN TRUE THEN 1 ELSE 1 / 0 END": [(1.0, 1.0, 1.0)],
    "SELECT IF(x = 0, 0, 1 / x) FROM UNNEST([0, 4]) x ORDER BY 1": [(0.0,), (0.25,)],
    # an alias in ORDER BY and GROUP BY hides a column
    "SELECT -x AS x FROM UNNEST([1, 2]) x ORDER BY x": [(-2,), (-1,)],
    "SELECT DIV(x, 2) AS x, COUNT(*) FROM UNNEST([2, 3, 4]) x GROUP BY x ORDER BY x": [(1, 2), (2, 1)],
    # limits
    "SELECT x FROM UNNEST([3, 1, 2]) x ORDER BY x LIMIT 2 OFFSET 1": [(2,), (3,)],
    # views, and tables by wildcard
    "SELECT name FROM d.adults ORDER BY name": [("Ann",), ("Cid",)],
    "SELECT a, b, c, _TABLE_SUFFIX FROM `d.log_*` ORDER BY a": [(1, "x", None, "2020"), (2, "y", True, "2021")],
    "SELECT * FROM `local.d.log_*` WHERE _TABLE_SUFFIX = '2021'": [(2, "y", True)],
    # functions of the query
    "CREATE TEMP FUNCTION twice(x INT64) AS (x * 2); SELECT twice(id) FROM d.people ORDER BY 1": [(2,), (4,), (6,)],
    "CREATE TEMP FUNCTION f(x ANY TYPE, y FLOAT64) RETURNS STRING AS (CAST(x + y AS STRING)); SELECT f(1, 2)":
        [("3.0",)],
    # text
    "SELECT 'it\\'s', \"a\\nb\", r'\\d', '''q'q''', 'a -- no comment', b'\\x00\\xff'":
        [("it's", "a\nb", r"\d", "q'q", "a -- no comment", b"\x00\xff")],
    "SELECT 1 -- a comment\n  + 1 /* and another */ # and one more": [(2,)],
    "SELECT 'ä' < 'z', 'a' < 'B', 'é' = 'é'": [(False, False, True)],
    "FROM d.people |> WHERE id = 1": None,
}  # fmt: skip
PIPE = CASES.pop("FROM d.people |> WHERE id = 1")


@pytest.mark.parametrize("sql", CASES)
def test_a_query_means_what_it_means_in_bigquery(select, sql):
    assert select(sql) == CASES[sql]


MISTAKES = {
    "SELECT nme FROM d.people": r"Unrecognized name: nme; Did you mean name\? at \[1:8\]",
    "SELECT p.nope FROM d.people p": r"Name nope not found inside p at \[1:10\]",
    "SELECT\n  id,\n  zz FROM d.people": r"Unrecognized name: zz at \[3:3\]",
    "SELECT id FROM d.people, d.people b": r"Column name id is ambiguous at \[1:8\]",
    "SELECT home.nope FROM d.people": r"Field name nope does not exist in STRUCT<city STRING, zip INT64>",
    "SELECT id.x FROM d.people": r"Cannot access field x on a value with type INT64",
    "SELECT id FROM d.people GROUP BY name": "neither grouped nor aggregated",
    "SELECT 1 AS a, 2 AS a": r"Duplicate column names in the result are not supported. Found duplicate\(s\): a",
    "SELECT id = 'x' FROM d.people": "No matching signature for operator = for argument types: INT64, STRING",
    "SELECT name + 1 FROM d.people": r"No matching signature for operator \+ for argument types: STRING, INT64",
    "SELECT id FROM d.people WHERE id": r"WHERE clause should return type BOOL, but returns INT64",
    "SELECT id FROM d.people WHERE born = '1990-31-01'": 'Could not cast literal "1990-31-01" to type DATE',
    "SELECT CAST(id AS DATE) FROM d.people": "Invalid cast from INT64 to DATE",
    "SELECT CAST(name AS INT64) FROM d.people": "Bad int64 value: ",
    "SELECT IF(id, 1, 2) FROM d.people": "IF condition should return type BOOL",
    "SELECT [1, 'x']": r"Array elements of types \{INT64, STRING\} do not have a common supertype",
    "SELECT [[1]]": "nested arrays are not supported",
    "SELECT * FROM UNNEST(5)": "must be arrays",
    "SELECT * FROM d.people a JOIN d.people b": "must have|Syntax|ON|Duplicate",
    "SELECT 1 UNION ALL SELECT 1, 2": "mismatched column count",
    "SELECT 1 UNION ALL SELECT 'x'": "Column 1 in UNION has incompatible types: INT64, STRING",
    "SELECT (SELECT id FROM d.people)": "Scalar subquery produced more than one element",
    "SELECT (SELECT 1, 2)": "must have exactly one column",
    "SELECT id FROM d.people ORDER BY 5": "ORDER BY is out of SELECT column number range: 5",
    "SELECT tags FROM d.people ORDER BY tags": "ORDER BY does not support expressions of type ARRAY<STRING>",
    "SELECT tags, COUNT(*) FROM d.people GROUP BY tags": "Grouping by expressions of type ARRAY is not allowed",
    "SELECT * EXCEPT (nope) FROM d.people": "Column nope in SELECT \\* modifier does not exist",
    "SELECT *": "SELECT \\* must have a FROM clause",
    "SELECT @missing": "Query parameter 'missing' not found at \\[1:8\\]",
    "SELECT ?": "Query parameter number 1 not found at \\[1:8\\]",
    "SELECT 99999999999999999999": "Invalid integer literal",
    "SELECT 1e999": "Invalid floating point literal",
    "SELECT id FROM d.people LIMIT -1": "LIMIT expects|Syntax",
    "SELECT SUM(SUM(id)) FROM d.people": "Aggregations of aggregations|nested",
    "SELECT id FROM d.people WHERE SUM(id) > 1": "Aggregate function not allowed in WHERE",
    "SELECT ARRAY_AGG(age) FROM d.people": "Array cannot have a null element; error in writing field f0_",
    "SELEC 1": r"Syntax error: Unexpected .* at \[1:",
    "SELECT 1 FROM": r"Syntax error: Unexpected end of script",
    "SELECT 'abc": r"Syntax error: Unclosed string literal or identifier at \[1:8\]",
    "SELECT (1": "Syntax error",
    "": "Syntax error|missing",
    "SELECT a b c": r'Syntax error: Unexpected identifier or keyword "c" at \[1:12\]',
    "SELECT MAX(id) OVER w FROM d.people": "Unrecognized window alias w",
    "SELECT id FROM d.people QUALIFY id": "QUALIFY clause should return type BOOL",
    "SELECT STRUCT<a INT64>(1, 2)": "constructor call has 2",
}  # fmt: skip


@pytest.mark.parametrize("sql", MISTAKES)
def test_a_mistake_is_told_as_bigquery_tells_it(select, sql):
    with pytest.raises(BadRequest, match=MISTAKES[sql]):
        select(sql)


NOT_FOUND = {
    "SELECT * FROM d.nope": "Not found: Table local:d.nope was not found in location US",
    "SELECT * FROM nope.t": "Not found: Dataset local:nope was not found in location US",
    "SELECT * FROM `other.d.people`": "Not found: Dataset other:d was not found in location US",
}


@pytest.mark.parametrize("sql", NOT_FOUND)
def test_what_does_not_exist_is_not_found(select, sql):
    with pytest.raises(GoogleAPICallError, match=NOT_FOUND[sql]) as caught:
        select(sql)
    assert caught.value.errors[0]["reason"] == "notFound"


def test_a_table_without_dataset_needs_a_default(select):
    with pytest.raises(BadRequest, match="must be qualified with a dataset"):
        select("SELECT * FROM people")


REFUSED = [
    "SELECT * FROM d.people TABLESAMPLE SYSTEM (10 PERCENT)",
    "SELECT * FROM d.people FOR SYSTEM_TIME AS OF CURRENT_TIMESTAMP()",
    "SELECT * FROM d.people PIVOT (COUNT(*) FOR id IN (1, 2))",
    "SELECT * FROM d.INFORMATION_SCHEMA.TABLES",
    "SELECT id, COUNT(*) FROM d.people GROUP BY GROUPING SETS (id, ())",
    "SELECT * FROM ML.PREDICT(MODEL d.m, (SELECT 1))",
    "SELECT home = home FROM d.people",
    "SELECT @@project_id",
    "EXPORT DATA OPTIONS (uri = 'gs://b/*') AS SELECT 1",
    "EXECUTE IMMEDIATE 'SELECT 1'",
    "CALL d.p()",
    "IF TRUE THEN SELECT 1; END IF",
    "BEGIN SELECT 1; END",
    "LOOP BREAK; END LOOP",
    "CREATE FUNCTION d.f(x INT64) AS (x)",
    "CREATE TEMP FUNCTION f(x INT64) RETURNS INT64 LANGUAGE js AS 'return x'; SELECT f(1)",
    "CREATE MATERIALIZED VIEW d.m AS SELECT 1 AS a",
    "CREATE EXTERNAL TABLE d.e OPTIONS (format = 'CSV')",
    "CREATE TABLE d.x (a INT64 DEFAULT 1)",
    "CREATE TABLE d.x PARTITION BY _PARTITIONDATE AS SELECT 1 AS a",
    "ALTER TABLE d.people RENAME TO folk",
    "UPDATE d.people SET home.city = 'x' WHERE TRUE",
    "DESCRIBE d.people",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_this_machine_cannot_run_is_refused(select, sql):
    with pytest.raises((MethodNotImplemented, BadRequest)) as caught:
        select(sql)
    error = caught.value.errors[0]
    assert error["reason"] in ("notImplemented", "invalidQuery")
    assert "the local stand-in cannot run" in error["message"]


def test_a_random_column_is_ordered_by_what_it_shows(select):
    found = select("SELECT RAND() AS r FROM UNNEST(GENERATE_ARRAY(1, 100)) ORDER BY r")
    assert found == sorted(found)


def test_pipe_syntax_is_what_sqlglot_makes_of_it(select):
    assert select("FROM d.people |> WHERE id = 1 |> SELECT name") == [("Ann",)]


def test_an_ordered_result_stays_ordered(select):
    found = select("SELECT x FROM UNNEST(GENERATE_ARRAY(1, 20000)) x ORDER BY MOD(x * 7919, 20011)")
    numbers = [row[0] for row in found]
    assert numbers == sorted(numbers, key=lambda x: x * 7919 % 20011)


def test_timestamps_keep_microseconds(select):
    found = select("SELECT TIMESTAMP '9999-12-31 23:59:59.999999', TIMESTAMP '0001-01-01'")
    assert found == [
        (
            datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=timezone.utc),
            datetime(1, 1, 1, tzinfo=timezone.utc),
        )
    ]


def test_legacy_sql_is_refused(shared_server, connect):
    from google.cloud.bigquery import QueryJobConfig

    with (
        connect(shared_server) as client,
        pytest.raises(MethodNotImplemented, match="set useLegacySql to false"),
    ):
        client.query_and_wait("SELECT 1", job_config=QueryJobConfig(use_legacy_sql=True))
