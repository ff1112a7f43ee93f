"""From result rows to the outputs a task declares."""

from __future__ import annotations

import datetime as dt
import decimal
import json
import typing

import msgpack
import pytest
from flyteidl.core import types_pb2

from flyte_agent_bigquery.results import MAX_VALUE_BYTES, dataset_uri
from flyte_agent_bigquery.rows import READERS, rows_of
from flyte_agent_core import Phase

UTC = dt.timezone.utc
DATASET = types_pb2.LiteralType(structured_dataset_type=types_pb2.StructuredDatasetType())
TABLE = {"projectId": "p-1", "datasetId": "_anon", "tableId": "t1"}


def page(kind, *values, mode="NULLABLE", fields=None, total=None, token=None):
    """An answer of getQueryResults with one column ``x``."""
    field = {"name": "x", "type": kind, "mode": mode, **({"fields": fields} if fields else {})}
    made = {
        "jobComplete": True,
        "schema": {"fields": [field]},
        "rows": [{"f": [{"v": value}]} for value in values],
        "totalRows": str(len(values) if total is None else total),
    }
    return {**made, "pageToken": token} if token else made


def value(answer, *, as_text=False):
    (row,) = rows_of(answer, as_text=as_text)
    return row["x"]


@pytest.mark.parametrize(
    ("kind", "cell", "expected"),
    [
        ("STRING", "naïve \x00 ☃", "naïve \x00 ☃"),
        ("STRING", "", ""),
        ("BYTES", "AP8=", b"\x00\xff"),
        ("INTEGER", "9223372036854775807", 2**63 - 1),
        ("INT64", "-9223372036854775808", -(2**63)),
        ("FLOAT", "1.5", 1.5),
        ("FLOAT64", "-Infinity", float("-inf")),
        ("BOOLEAN", "true", True),
        ("BOOL", "false", False),
        ("NUMERIC", "99999999999999999999999999999.999999999",
         decimal.Decimal("99999999999999999999999999999.999999999")),
        ("BIGNUMERIC", "1e-38", decimal.Decimal("1e-38")),
        ("TIMESTAMP", "1704067200000001", dt.datetime(2024, 1, 1, microsecond=1, tzinfo=UTC)),
        ("TIMESTAMP", "-62135596800000000", dt.datetime(1, 1, 1, tzinfo=UTC)),
        ("TIMESTAMP", "253402300799999999", dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)),
        ("DATE", "2024-02-29", dt.date(2024, 2, 29)),
        ("DATETIME", "2024-01-01T10:20:30", dt.datetime.fromisoformat("2024-01-01 10:20:30")),
        ("DATETIME", "2024-01-01T10:20:30.5", dt.datetime.fromisoformat("2024-01-01 10:20:30.500")),
        ("TIME", "23:59:59.999999", dt.time(23, 59, 59, 999999)),
        ("TIME", "01:02:03.4", dt.time(1, 2, 3, 400000)),
        ("INTERVAL", "0-0 1 2:3:4.5", dt.timedelta(days=1, hours=2, minutes=3, seconds=4.5)),
        ("INTERVAL", "0-0 -1 -0:0:1", dt.timedelta(days=-1, seconds=-1)),
        ("INTERVAL", "1-2 3 4:5:6", "1-2 3 4:5:6"),
        ("JSON", '{"a": [1, null]}', {"a": [1, None]}),
        ("JSON", "null", None),
        ("GEOGRAPHY", "POINT(1 2)", "POINT(1 2)"),
        ("RANGE", "[2024-01-01, UNBOUNDED)", "[2024-01-01, UNBOUNDED)"),
        ("TYPE_OF_TOMORROW", "as it comes", "as it comes"),
        ("STRING", None, None),
        ("INT64", None, None),
    ],
)  # fmt: skip
def test_every_type_is_read(kind, cell, expected):
    found = value(page(kind, cell))

    assert found == expected
    assert type(found) is type(expected)


def test_the_types_are_those_of_the_documentation():
    """See https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#TableFieldSchema.FIELDS.type."""
    documented = """STRING BYTES INTEGER INT64 FLOAT FLOAT64 BOOLEAN BOOL TIMESTAMP DATE TIME DATETIME GEOGRAPHY
                    NUMERIC BIGNUMERIC JSON RECORD STRUCT RANGE INTERVAL"""

    assert set(documented.split()) == set(READERS) | {"RECORD", "STRUCT"}


def test_repeated_and_nested_fields_keep_their_shape():
    inner = [{"name": "a", "type": "INT64"}, {"name": "b", "type": "DATE", "mode": "REPEATED"}]
    cell = [
        {"v": {"f": [{"v": "1"}, {"v": [{"v": "2024-01-01"}]}]}},
        {"v": {"f": [{"v": None}, {"v": []}]}},
    ]

    assert value(page("RECORD", cell, mode="REPEATED", fields=inner)) == [
        {"a": 1, "b": [dt.date(2024, 1, 1)]},
        {"a": None, "b": []},
    ]


@pytest.mark.parametrize(
    ("kind", "cell"), [("BYTES", "AP8="), ("JSON", '{"a": 1}'), ("INTERVAL", "0-0 1 0:0:0")]
)
def test_where_text_is_declared_the_text_comes_back(kind, cell):
    assert value(page(kind, cell), as_text=True) == cell


def test_an_answer_without_rows_has_none():
    assert rows_of({}) == []
    assert rows_of({"schema": None, "rows": "garbage"}) == []


def test_the_address_is_the_one_flytekit_reads():
    """Its reader splits at ``.``, ``://`` and ``:``, its writer needs the ``:`` behind the project."""
    assert dataset_uri({"projectId": "p", "datasetId": "d", "tableId": "t"}) == "bq://p:d.t"


# -- through the agent ---------------------------------------------------------------------------------------


def finished(bench, result, declared, answer, *, job=None, max_rows=10, **custom):
    """Poll a job that is done; its result is ``answer``."""
    bench.vendor.page = answer
    prefix = f"s3://x/{len(bench.vendor.jobs)}"
    said = {"result": result, "max_rows": max_rows, **custom}
    meta = bench.create(said, outputs=declared, prefix=prefix)
    patch = {"configuration": {"query": {"destinationTable": TABLE}}}
    return bench.finish(meta, {**patch, **(job or {})})


def plain(literal):
    """A literal as Python, as far as these tests need it."""
    scalar = literal.scalar
    if literal.collection is not None:
        return [plain(item) for item in literal.collection.literals]
    if scalar.union is not None:
        return plain(scalar.union.value)
    if scalar.structured_dataset is not None:
        return scalar.structured_dataset.uri
    if scalar.binary is not None:
        return msgpack.unpackb(scalar.binary.value)
    return scalar.primitive.value if scalar.primitive is not None else None


def outputs(resource):
    assert resource.phase is Phase.SUCCEEDED, resource.message
    return {name: plain(literal) for name, literal in resource.outputs.literals.items()}


@pytest.mark.parametrize(
    ("declared", "answer", "expected"),
    [
        (int, page("INT64", "7"), 7),
        (float, page("NUMERIC", "1.5"), 1.5),
        (str, page("STRING", "a"), "a"),
        (str, page("NUMERIC", "1.50"), "1.50"),
        (str, page("JSON", '{"a": 1}'), '{"a": 1}'),
        (str, page("BYTES", "AP8="), "AP8="),
        (str, page("TIME", "01:02:03"), "01:02:03"),
        (bool, page("BOOL", "true"), True),
        (dt.datetime, page("TIMESTAMP", "0"), dt.datetime(1970, 1, 1, tzinfo=UTC)),
        (dt.date, page("DATE", "1970-01-02"), dt.datetime(1970, 1, 2, tzinfo=UTC)),
        (dt.timedelta, page("INTERVAL", "0-0 1 0:0:0"), dt.timedelta(days=1)),
        (list[int], page("INT64", [{"v": "1"}, {"v": "2"}], mode="REPEATED"), [1, 2]),
        (dict, page("JSON", '{"a": 1}'), {"a": 1}),
        (typing.Optional[int], page("INT64", None), None),
        (typing.Optional[int], page("INT64"), None),
        (typing.Optional[int], page("INT64", "7"), 7),
    ],
)
def test_one_value(bench, declared, answer, expected):
    assert outputs(finished(bench, "scalar", {"o0": declared}, answer)) == {"o0": expected}


def test_one_row(bench):
    answer = page("RECORD", {"f": [{"v": "1"}]}, fields=[{"name": "a", "type": "INT64"}])

    assert outputs(finished(bench, "row", {"o0": dict}, answer)) == {"o0": {"x": {"a": 1}}}


def test_several_outputs_are_the_columns_of_the_row(bench):
    answer = {
        "schema": {"fields": [{"name": "n", "type": "INT64"}, {"name": "s", "type": "STRING"}]},
        "rows": [{"f": [{"v": "1"}, {"v": "a"}]}],
        "totalRows": "1",
    }

    assert outputs(finished(bench, "row", {"s": str, "n": int}, answer)) == {"s": "a", "n": 1}


def test_rows(bench):
    rows = list[dict]

    assert outputs(finished(bench, "rows", {"o0": rows}, page("DATE", "2024-01-01", None))) == {
        "o0": [{"x": "2024-01-01"}, {"x": None}]
    }
    assert outputs(
        finished(bench, "rows", {"o0": list[int]}, page("INT64", "1", "2"), max_rows=2)
    ) == {"o0": [1, 2]}
    assert outputs(finished(bench, "rows", {"o0": rows}, page("INT64"), max_rows=3)) == {"o0": []}


def test_a_dataset_stays_where_it_is(bench):
    resource = finished(bench, "dataset", {"o0": DATASET}, {})

    assert outputs(resource) == {"o0": "bq://p-1:_anon.t1"}
    assert bench.vendor.count("results") == 0


def test_a_task_without_outputs_has_none(bench):
    assert finished(bench, "none", {}, {}).outputs is None
    assert finished(bench, "dataset", {}, {}).outputs is None


@pytest.mark.parametrize(
    ("result", "declared", "answer", "code", "said"),
    [
        ("scalar", int, page("INT64", "1", "2"), "BIGQUERY.RESULT_TOO_LARGE", "returned 2 rows"),
        (
            "row",
            dict,
            page("INT64", "1", total=12345),
            "BIGQUERY.RESULT_TOO_LARGE",
            "returned 12,345 rows",
        ),
        (
            "rows",
            list[dict],
            page("INT64", *"1234567890"),
            "BIGQUERY.RESULT_TOO_LARGE",
            "at most 3",
        ),
        (
            "rows",
            list[dict],
            page("INT64", "1", token="more"),
            "BIGQUERY.RESULT_TOO_LARGE",
            "more than one page",
        ),
        (
            "rows",
            list[dict],
            page("STRING", "x" * MAX_VALUE_BYTES),
            "BIGQUERY.RESULT_TOO_LARGE",
            "3.0 MiB",
        ),
        ("scalar", int, {"jobComplete": True}, "BIGQUERY.NO_RESULT", "End the SQL with a SELECT"),
        ("scalar", int, page("INT64"), "AGENT.OUTPUT_TYPE", "found NoneType"),
        ("scalar", int, page("STRING", "seven"), "AGENT.OUTPUT_TYPE", "'seven'"),
        (
            "row",
            {"a": int, "b": int},
            page("INT64", "1"),
            "AGENT.OUTPUT_TYPE",
            "was declared but not produced",
        ),
    ],
)
def test_results_that_do_not_fit_fail_the_task_and_say_how(
    bench, result, declared, answer, code, said
):
    declared = declared if isinstance(declared, dict) else {"o0": declared}
    resource = finished(bench, result, declared, answer, max_rows=3)

    assert resource.phase is Phase.FAILED
    assert resource.error_code == code
    assert said in resource.message
    assert resource.links


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 503}, {"drop_connection": True, "times": 2}]
)
def test_rows_that_cannot_be_read_this_time_are_read_the_next(bench, fault):
    """The job has succeeded; a hiccup must not make it a failure."""
    bench.vendor.page = page("INT64", "7")
    meta = bench.create({"result": "scalar"}, outputs={"o0": int})
    bench.vendor.faults.add("results", **fault)

    first = bench.finish(meta)
    second = bench.get(meta)

    assert first.phase is Phase.RUNNING
    assert outputs(second) == {"o0": 7}


def test_rows_that_are_not_ready_yet_are_waited_for(bench):
    assert finished(bench, "scalar", {"o0": int}, {"jobComplete": False}).phase is Phase.RUNNING


def test_a_job_that_wrote_no_table_says_so(bench):
    meta = bench.create({"result": "dataset"}, outputs={"o0": DATASET})

    resource = bench.finish(meta, {"statistics": {"query": {"statementType": "CREATE_FUNCTION"}}})

    assert resource.phase is Phase.FAILED
    assert resource.error_code == "BIGQUERY.NO_RESULT"
    assert "CREATE_FUNCTION" in resource.message


def test_the_table_a_statement_made_is_its_result(bench):
    meta = bench.create({"result": "dataset"}, outputs={"o0": DATASET})
    made = {"projectId": "p-1", "datasetId": "d", "tableId": "made"}

    resource = bench.finish(meta, {"statistics": {"query": {"ddlTargetTable": made}}})

    assert outputs(resource) == {"o0": "bq://p-1:d.made"}
    assert "BigQuery table" not in resource.links  # a stand-in has no console


@pytest.mark.parametrize("kind", ["load", "copy"])
def test_loads_and_copies_give_their_destination(bench, kind):
    table = {"projectId": "p-1", "datasetId": "d", "tableId": "t"}
    configuration = {kind: {"destinationTable": table}}
    meta = bench.create(
        {"kind": kind, "result": "dataset", "configuration": configuration}, outputs={"o0": DATASET}
    )

    assert outputs(bench.finish(meta)) == {"o0": "bq://p-1:d.t"}


# -- scripts -------------------------------------------------------------------------------------------------


def child(bench, parent, name, statement, table=None, kind="STATEMENT"):
    """Add a statement's job to a script."""
    bench.vendor.jobs[name] = {
        "jobReference": {"projectId": "p-1", "jobId": name, "location": "US"},
        "configuration": {
            "query": {"destinationTable": {**TABLE, "tableId": table}} if table else {}
        },
        "statistics": {
            "parentJobId": parent,
            "query": {"statementType": statement},
            "scriptStatistics": {"evaluationKind": kind},
        },
        "status": {"state": "DONE"},
    }


SCRIPT = {"statistics": {"numChildJobs": "4", "query": {"statementType": "SCRIPT"}}}


def test_the_result_of_a_script_is_its_last_select(bench):
    bench.vendor.page = page("INT64", "7")
    dataset = bench.create({"result": "dataset"}, outputs={"o0": DATASET}, prefix="s3://x/0")
    scalar = bench.create({"result": "scalar"}, outputs={"o0": int}, prefix="s3://x/1")
    for meta in (dataset, scalar):
        child(bench, meta.job_id, f"{meta.job_id}-a", "SELECT", "first")
        child(bench, meta.job_id, f"{meta.job_id}-b", "SELECT", "last")
        child(bench, meta.job_id, f"{meta.job_id}-c", "SELECT", "condition", "EXPRESSION")
        child(bench, meta.job_id, f"{meta.job_id}-d", "INSERT", "target")

    assert outputs(bench.finish(dataset, SCRIPT)) == {"o0": "bq://p-1:_anon.last"}
    assert outputs(bench.finish(scalar, SCRIPT)) == {"o0": 7}
    asked = [r.path for r in bench.vendor.requests if r.route == "results"]
    assert asked[-1].endswith(f"{scalar.job_id}-b")


FIRST = {"configuration": {"query": {"scriptOptions": {"keyResultStatement": "FIRST_SELECT"}}}}


def test_the_result_of_a_script_may_be_its_first_select(bench):
    meta = bench.create({"result": "dataset", **FIRST}, outputs={"o0": DATASET})
    child(bench, meta.job_id, "set", "SELECT", "condition", "EXPRESSION")
    for name in ("first", "middle", "last"):
        child(bench, meta.job_id, name, "SELECT", name)
    bench.vendor.page_size = 2

    assert outputs(bench.finish(meta, SCRIPT)) == {"o0": "bq://p-1:_anon.first"}


def test_the_first_select_of_a_huge_script_is_not_guessed(bench):
    meta = bench.create({"result": "dataset", **FIRST}, outputs={"o0": DATASET})
    for n in range(12):
        child(bench, meta.job_id, f"select-{n}", "SELECT", f"t{n}")
    bench.vendor.page_size = 2

    failed = bench.finish(meta, SCRIPT)

    assert failed.error_code == "BIGQUERY.NO_RESULT"
    assert "too many to find its first SELECT" in failed.message


def test_a_script_without_a_select_has_no_table(bench):
    meta = bench.create({"result": "dataset"}, outputs={"o0": DATASET})
    child(bench, meta.job_id, "only", "INSERT", "target")

    assert bench.finish(meta, SCRIPT).error_code == "BIGQUERY.NO_RESULT"


# -- checks --------------------------------------------------------------------------------------------------


def checked(bench, observed, *, on_failure="fail", declared=None):
    """Poll a check task that is done."""
    rule = {
        "name": "rows -- of \u2028 t",
        "kind": "row_count",
        "expect": {"family": "number", "geq": "1"},
    }
    meta = bench.create(
        {"kind": "check", "checks": [rule], "on_failure": on_failure},
        outputs=declared or {"o0": dict},
    )
    fields = [{"name": n, "type": t} for n, t in [("check_index", "INT64"), ("observed", "STRING"),
                                                  ("reference", "STRING")]]  # fmt: skip
    rows = [{"f": [{"v": "0"}, {"v": observed}, {"v": None}]}]
    bench.vendor.page = {"schema": {"fields": fields}, "rows": rows, "totalRows": "1"}
    return bench.finish(meta)


def test_checks_that_pass_give_their_report(bench):
    report = outputs(checked(bench, "5"))["o0"]

    assert report["passed"] is True
    assert report["checks"][0]["observed"] == "5"


def test_checks_that_fail_name_what_was_found(bench):
    resource = checked(bench, "0")

    assert resource.phase is Phase.FAILED
    assert resource.error_code == "BIGQUERY.CHECK_FAILED"
    assert "1 of 1 checks failed" in resource.message
    assert "found 0, expected >= 1" in resource.message


def test_checks_may_only_report(bench):
    assert outputs(checked(bench, "0", on_failure="report"))["o0"]["passed"] is False


def test_checks_without_a_declared_output_fail_all_the_same(bench):
    meta_less = checked(bench, "0", declared={})

    assert meta_less.phase is Phase.FAILED


def test_the_rules_of_a_check_are_read_from_the_job(bench):
    checked(bench, "5")

    sql = bench.body()["configuration"]["query"]["query"]
    head, _, rules = sql.rpartition("\n-- flyte-agent-bigquery checks: ")
    assert head == "SELECT 1"
    assert json.loads(rules)["checks"][0]["name"] == "rows -- of \u2028 t"
    assert "\n" not in rules


MARK = "\n-- flyte-agent-bigquery checks: "


@pytest.mark.parametrize(
    "sql", ["SELECT 1", MARK + "{", MARK + "7", MARK + '{"fails": true, "checks": [{"x": 1}]}']
)
def test_a_check_whose_rules_are_gone_is_no_verdict(bench, sql):
    """Somebody else's job, or one of a version to come: neither passed nor failed."""
    meta = bench.create({"kind": "check", "checks": [{"name": "n", "kind": "value"}]})

    resource = bench.finish(meta, {"configuration": {"query": {"query": sql}}})

    assert resource.phase is Phase.RUNNING
    assert "rules of its checks" in resource.message


def test_the_last_select_of_a_long_script_is_looked_for_page_by_page(bench):
    meta = bench.create({"result": "dataset"}, outputs={"o0": DATASET})
    child(bench, meta.job_id, "select", "SELECT", "early")
    for n in range(5):
        child(bench, meta.job_id, f"insert-{n}", "INSERT", "target")
    bench.vendor.page_size = 2

    assert outputs(bench.finish(meta, SCRIPT)) == {"o0": "bq://p-1:_anon.early"}
    assert bench.vendor.count("list") == 3
