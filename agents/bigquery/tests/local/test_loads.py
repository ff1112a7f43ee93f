"""Load, extract and copy jobs, through the SDK's uploads and from files."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import date, datetime, timezone
from decimal import Decimal as D  # noqa: N817 - tables of values read better with it

import duckdb
import pytest
from google.api_core.exceptions import BadRequest, GoogleAPICallError, NotFound
from google.cloud import bigquery
from google.cloud.bigquery import ExtractJobConfig, LoadJobConfig, SchemaField

from flyte_agent_bigquery.local import LocalBigQuery

pytestmark = pytest.mark.once

CSV = b"""id,name,score,ok,day,at
1,"Ann, A.",1.5,true,2020-01-02,2020-01-02 03:04:05 UTC
2,,,no,,
3,"",2e3,F,2021-12-31,2020-01-02T03:04:05.5+01:00
"""
SCHEMA = [
    SchemaField("id", "INTEGER", "REQUIRED"),
    SchemaField("name", "STRING"),
    SchemaField("score", "FLOAT"),
    SchemaField("ok", "BOOLEAN"),
    SchemaField("day", "DATE"),
    SchemaField("at", "TIMESTAMP"),
]
AT = datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
ROWS = [
    (1, "Ann, A.", 1.5, True, date(2020, 1, 2), AT),
    (2, None, None, False, None, None),
    (3, "", 2000.0, False, date(2021, 12, 31), AT.replace(hour=2, microsecond=500000)),
]


@pytest.fixture
def bucket(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def server(bucket):
    with LocalBigQuery(gcs_dir=bucket.parent) as running:
        running.create_dataset("d")
        yield running
        assert not running.errors
        assert not running.scheduler.broken


@pytest.fixture
def rows(client):
    return lambda sql: [tuple(row.values()) for row in client.query_and_wait(sql)]


@pytest.fixture
def load(client, finished):
    def start(content, target="d.t", **settings):
        config, size = LoadJobConfig(**settings), len(content)
        job = client.load_table_from_file(io.BytesIO(content), target, job_config=config, size=size)
        finished(job)
        return job

    return start


def test_a_csv_is_read_as_bigquery_reads_it(client, rows, load):
    job = load(CSV, source_format="CSV", schema=SCHEMA, skip_leading_rows=1)
    assert rows("SELECT * FROM d.t ORDER BY id") == ROWS
    assert (job.output_rows, job.input_files, job.input_file_bytes) == (3, 1, len(CSV))
    assert client.get_table("d.t").schema[0].mode == "REQUIRED"


def test_a_resumable_upload_brings_the_same_rows(server, client, rows, finished):
    config = LoadJobConfig(source_format="CSV", schema=SCHEMA, skip_leading_rows=1)
    stream = io.BytesIO(CSV)
    finished(client.load_table_from_file(stream, "d.t", job_config=config))
    assert rows("SELECT * FROM d.t ORDER BY id") == ROWS
    assert (server.count("jobs.upload"), server.count("jobs.uploadChunk")) == (1, 1)


def test_an_upload_may_come_in_pieces(server, client, rows, finished):
    path = "/upload/bigquery/v2/projects/local/jobs"
    body = {
        "configuration": {
            "load": {
                "destinationTable": {"projectId": "local", "datasetId": "d", "tableId": "t"},
                "sourceFormat": "CSV",
                "schema": {"fields": [{"name": "a", "type": "INTEGER"}]},
            }
        }
    }
    http = client._http
    started = http.post(f"{server.url}{path}?uploadType=resumable", json=body)
    link = started.headers["Location"]
    content = b"1\n22\n333\n"
    first = http.put(
        link,
        data=content[:4],
        headers={"Content-Range": f"bytes 0-3/{len(content)}"},
        allow_redirects=False,
    )
    assert (first.status_code, first.headers["Range"]) == (308, "bytes=0-3")
    asked = http.put(link, data=b"", headers={"Content-Range": "bytes */*"}, allow_redirects=False)
    assert asked.headers["Range"] == "bytes=0-3"
    last = http.put(link, data=content[4:], headers={"Content-Range": f"bytes 4-8/{len(content)}"})
    finished(client.get_job(last.json()["jobReference"]["jobId"]))
    assert rows("SELECT SUM(a) FROM d.t") == [(356,)]
    assert http.put(link, data=b"").status_code == 404
    assert http.post(f"{server.url}{path}?uploadType=media", data=b"x").status_code == 400


def test_the_schema_can_be_detected(client, rows, load):
    plain = CSV.replace(b",no,", b",false,").replace(b",F,", b",true,")
    load(plain, source_format="CSV", autodetect=True)
    kinds = [field.field_type for field in client.get_table("d.t").schema]
    assert kinds == ["INTEGER", "STRING", "FLOAT", "BOOLEAN", "DATE", "TIMESTAMP"]
    assert rows("SELECT id, score FROM d.t WHERE id = 3") == [(3, 2000.0)]


def test_column_names_are_made_valid(client, load):
    load(b"a b,1st,c-d\n1,2,3\n", source_format="CSV", autodetect=True)
    assert [field.name for field in client.get_table("d.t").schema] == ["a_b", "_1st", "c_d"]


@pytest.mark.parametrize(
    ("content", "settings", "expected"),
    [
        (b"1;'a;b'\n", {"field_delimiter": ";", "quote_character": "'"}, [(1, "a;b")]),
        (b"1\ta\n", {"field_delimiter": "\t"}, [(1, "a")]),
        (b"1,NA\nNA,b\n", {"null_marker": "NA"}, [(None, "b"), (1, None)]),
        (b'1,"two\nlines"\n', {"allow_quoted_newlines": True}, [(1, "two\nlines")]),
        (b"1\n2,b\n", {"allow_jagged_rows": True}, [(1, None), (2, "b")]),
        (gzip.compress(b"1,a\n", mtime=0), {}, [(1, "a")]),
        ("1,ä😀\n".encode(), {}, [(1, "ä😀")]),
        (b"", {}, []),
    ],
)
def test_csv_options(rows, content, settings, expected, load):
    schema = [SchemaField("a", "INTEGER"), SchemaField("b", "STRING")]
    load(content, source_format="CSV", schema=schema, **settings)
    assert rows("SELECT * FROM d.t ORDER BY a") == expected


def test_a_bad_value_is_named_and_nothing_is_loaded(client, load):
    schema = [SchemaField("a", "INTEGER"), SchemaField("b", "DATE")]
    with pytest.raises(
        BadRequest, match=r"Could not parse 'x' as INT64 for field a \(position 0\) in row 2"
    ):
        load(b"1,2020-01-01\nx,2020-01-01\n", source_format="CSV", schema=schema)
    with pytest.raises(BadRequest, match=r"Could not parse '2020-13-01' as DATE for field b"):
        load(b"1,2020-13-01\n", source_format="CSV", schema=schema)
    with pytest.raises(NotFound):
        client.get_table("d.t")


def test_bad_records_may_be_left_out(rows, load):
    schema = [SchemaField("a", "INTEGER")]
    job = load(b"1\nx\n3\n", source_format="CSV", schema=schema, max_bad_records=1)
    assert rows("SELECT a FROM d.t ORDER BY a") == [(1,), (3,)]
    assert job.error_result is None
    assert "Could not parse 'x'" in job.errors[0]["message"]
    with pytest.raises(BadRequest, match="Too many errors"):
        load(b"1\nx\ny\n", "d.u", source_format="CSV", schema=schema, max_bad_records=1)


def test_dispositions_of_a_load(rows, load):
    settings = {"source_format": "CSV", "schema": [SchemaField("a", "INTEGER")]}
    load(b"1\n", **settings)
    load(b"2\n", **settings)
    assert rows("SELECT COUNT(*) FROM d.t") == [(2,)]
    load(b"3\n", write_disposition="WRITE_TRUNCATE", **settings)
    assert rows("SELECT a FROM d.t") == [(3,)]
    with pytest.raises(GoogleAPICallError, match="Already Exists"):
        load(b"4\n", write_disposition="WRITE_EMPTY", **settings)
    load(b"5\n", source_format="CSV")
    assert rows("SELECT SUM(a) FROM d.t") == [(8,)]
    with pytest.raises(BadRequest, match="No schema specified"):
        load(b"5\n", "d.new", source_format="CSV")


def test_json_rows_and_nested_values(client, rows, finished):
    data = [
        {
            "id": 1,
            "tags": ["a", "b"],
            "at": "2020-01-02 03:04:05 UTC",
            "in": {"x": 1.5, "ys": [{"z": True}]},
        },
        {"id": "2", "tags": [], "at": 1577934245, "raw": "YWJj", "n": "1.5", "j": {"k": [1]}},
    ]
    schema = [
        SchemaField("id", "INTEGER"),
        SchemaField("tags", "STRING", "REPEATED"),
        SchemaField("at", "TIMESTAMP"),
        SchemaField("in", "RECORD", fields=[
            SchemaField("x", "FLOAT"),
            SchemaField("ys", "RECORD", "REPEATED", fields=[SchemaField("z", "BOOLEAN")]),
        ]),
        SchemaField("raw", "BYTES"),
        SchemaField("n", "NUMERIC"),
        SchemaField("j", "JSON"),
    ]  # fmt: skip
    finished(client.load_table_from_json(data, "d.t", job_config=LoadJobConfig(schema=schema)))
    assert rows("SELECT * FROM d.t ORDER BY id") == [
        (1, ["a", "b"], AT, {"x": 1.5, "ys": [{"z": True}]}, None, None, None),
        (2, [], AT, None, b"abc", D("1.5"), {"k": [1]}),
    ]


def test_json_can_be_detected(client, rows, finished):
    finished(client.load_table_from_json([{"a": 1, "b": {"c": ["x"]}}, {"a": 2}], "d.t"))
    assert rows("SELECT a, b.c FROM d.t ORDER BY a") == [(1, ["x"]), (2, [])]


def test_unknown_fields_of_json(rows, load):
    schema = [SchemaField("a", "INTEGER")]
    with pytest.raises(BadRequest, match="No such field: z"):
        load(b'{"a": 1, "z": 2}\n', source_format="NEWLINE_DELIMITED_JSON", schema=schema)
    load(
        b'{"a": 1, "z": 2}\n',
        source_format="NEWLINE_DELIMITED_JSON",
        schema=schema,
        ignore_unknown_values=True,
    )
    assert rows("SELECT * FROM d.t") == [(1,)]
    with pytest.raises(BadRequest, match="JSON parsing error"):
        load(b'{"a": \n', source_format="NEWLINE_DELIMITED_JSON", schema=schema)


def parquet(tmp_path, sql):
    path = tmp_path / "x.parquet"
    duckdb.sql(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    return path.read_bytes()


def test_parquet_brings_its_schema(client, rows, tmp_path, load):
    content = parquet(
        tmp_path,
        "SELECT 1::INTEGER AS a, 'x' AS b, 1.5::DECIMAL(10,2) AS n, DATE '2020-01-01' AS d, "
        "TIMESTAMP '2020-01-01' AS t, {'p': 1} AS s, 2.5::FLOAT AS f",
    )
    load(content, source_format="PARQUET")
    assert [f.field_type for f in client.get_table("d.t").schema] == [
        "INTEGER", "STRING", "NUMERIC", "DATE", "DATETIME", "RECORD", "FLOAT",
    ]  # fmt: skip
    assert rows("SELECT a, n, s.p, f FROM d.t") == [(1, D("1.5"), 1, 2.5)]


def test_parquet_lists_need_list_inference(rows, tmp_path, load):
    content = parquet(tmp_path, "SELECT [1, 2] AS xs")
    with pytest.raises(GoogleAPICallError, match=r"set parquetOptions.enableListInference"):
        load(content, source_format="PARQUET")
    options = bigquery.format_options.ParquetOptions()
    options.enable_list_inference = True
    load(content, source_format="PARQUET", parquet_options=options)
    assert rows("SELECT xs FROM d.t") == [([1, 2],)]


@pytest.mark.filterwarnings(
    "ignore::PendingDeprecationWarning"
)  # the SDK would rather be called by another
def test_dataframes(client, rows, finished):
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency of the agent")
    pytest.importorskip("pyarrow", reason="pyarrow is no dependency of the agent")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None]})
    finished(client.load_table_from_dataframe(frame, "d.t"))
    assert rows("SELECT a, b FROM d.t ORDER BY a") == [(1, "x"), (2, None)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source_format": "AVRO"}, "loading AVRO"),
        (
            {"source_format": "CSV", "encoding": "ISO-8859-1", "autodetect": True},
            "convert it to UTF-8",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(settings, message, load):
    with pytest.raises(GoogleAPICallError, match=message):
        load(b"a\n1\n", **settings)


# -- files ------------------------------------------------------------------------------------------


def test_uris_are_files_in_the_folder(server, client, rows, bucket, finished):
    (bucket / "a").mkdir()
    (bucket / "a" / "1.csv").write_text("1\n")
    (bucket / "a" / "2.csv").write_text("2\n")
    config = LoadJobConfig(source_format="CSV", schema=[SchemaField("a", "INTEGER")])
    job = client.load_table_from_uri("gs://data/a/*.csv", "d.t", job_config=config)
    assert (finished(job).output_rows, job.input_files) == (2, 2)
    finished(
        client.load_table_from_uri((bucket / "a" / "1.csv").as_uri(), "d.t", job_config=config)
    )
    assert rows("SELECT SUM(a) FROM d.t") == [(4,)]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("gs://data/none.csv", "Not found: URI gs://data/none.csv"),
        ("gs://data/../../etc/passwd", "leaves its bucket"),
        ("s3://data/x.csv", "must be a Google Cloud Storage location"),
        ("gs://", "must be a Google Cloud Storage location"),
    ],
)
def test_a_uri_without_a_file(client, uri, message, finished):
    config = LoadJobConfig(source_format="CSV", autodetect=True)
    with pytest.raises(GoogleAPICallError, match=message):
        finished(client.load_table_from_uri(uri, "d.t", job_config=config))


def test_without_a_folder_there_is_no_gs(connect):
    with LocalBigQuery() as server, connect(server) as client:
        config = LoadJobConfig(autodetect=True)
        job = client.load_table_from_uri("gs://b/x.csv", "d.t", job_config=config)
        server.job(job.job_id).done.wait(10)
        with pytest.raises(NotFound, match="start it with gcs_dir="):
            job.result(retry=None)


@pytest.fixture
def table(client):
    client.query_and_wait(
        "CREATE TABLE d.t AS SELECT 1 AS a, 'x,y' AS s, TIMESTAMP '2020-01-02 03:04:05' AS t, "
        "1.5 AS f, TRUE AS b, CAST(NULL AS STRING) AS n"
    )
    return "d.t"


def test_extract_csv(client, table, bucket, finished):
    job = client.extract_table(table, "gs://data/out/t-*.csv")
    finished(job)
    assert job.destination_uri_file_counts == [1]
    assert (bucket / "out" / "t-000000000000.csv").read_text() == (
        'a,s,t,f,b,n\n1,"x,y",2020-01-02 03:04:05 UTC,1.5,true,\n'
    )
    config = ExtractJobConfig(print_header=False, field_delimiter="|", compression="GZIP")
    finished(client.extract_table(table, "gs://data/t.gz", job_config=config))
    assert (
        gzip.decompress((bucket / "t.gz").read_bytes())
        == b"1|x,y|2020-01-02 03:04:05 UTC|1.5|true|\n"
    )


def test_extract_json_and_parquet(client, table, bucket, rows, finished):
    client.query_and_wait(
        "CREATE TABLE d.n AS SELECT [STRUCT(1 AS x, JSON '{\"k\":1}' AS j)] AS r, b'a' AS y"
    )
    config = ExtractJobConfig(destination_format="NEWLINE_DELIMITED_JSON")
    finished(client.extract_table("d.n", "gs://data/n.json", job_config=config))
    assert json.loads((bucket / "n.json").read_text()) == {
        "r": [{"x": "1", "j": {"k": 1}}],
        "y": "YQ==",
    }
    finished(client.extract_table(table, "gs://data/t.json", job_config=config))
    assert json.loads((bucket / "t.json").read_text()) == {
        "a": "1", "s": "x,y", "t": "2020-01-02 03:04:05 UTC", "f": 1.5, "b": True,
    }  # fmt: skip
    config = ExtractJobConfig(destination_format="PARQUET", compression="SNAPPY")
    finished(client.extract_table(table, "gs://data/t.parquet", job_config=config))
    finished(
        client.load_table_from_uri(
            "gs://data/t.parquet", "d.back", job_config=LoadJobConfig(source_format="PARQUET")
        )
    )
    assert rows("SELECT a, s FROM d.back") == [(1, "x,y")]


def test_extract_refuses_what_a_csv_cannot_hold(client, table, finished):
    client.query_and_wait("CREATE TABLE d.n AS SELECT [1] AS r")
    with pytest.raises(BadRequest, match=r"nested schema. Field: r"):
        finished(client.extract_table("d.n", "gs://data/n.csv"))
    config = ExtractJobConfig(destination_format="AVRO")
    with pytest.raises(GoogleAPICallError, match="extracting AVRO"):
        finished(client.extract_table(table, "gs://data/x", job_config=config))
    with pytest.raises(NotFound):
        finished(client.extract_table("d.nope", "gs://data/x"))


def test_copy_of_one_and_of_many(client, table, rows, finished):
    finished(client.copy_table(table, "d.c"))
    assert rows("SELECT a FROM d.c") == [(1,)]
    with pytest.raises(GoogleAPICallError, match="Already Exists"):
        finished(client.copy_table(table, "d.c"))
    job = client.copy_table([table, "d.c"], "d.both")
    finished(job)
    assert rows("SELECT COUNT(*) FROM d.both") == [(2,)]
    assert client.get_job(job.job_id)._properties["statistics"]["copy"]["copiedRows"] == "2"
    config = bigquery.CopyJobConfig(operation_type="SNAPSHOT")
    with pytest.raises(GoogleAPICallError, match="operationType SNAPSHOT"):
        finished(client.copy_table(table, "d.s", job_config=config))


# -- seeding ----------------------------------------------------------------------------------------


def test_seeding_reads_csv_json_and_parquet(server, rows, tmp_path):
    (tmp_path / "a.csv").write_bytes(CSV)
    assert server.load_csv("seed.a", tmp_path / "a.csv").rows is None
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inner.csv", "x,y\n1,NA\n")
    server.load_csv("seed.z", tmp_path / "a.zip", null_marker="NA")
    (tmp_path / "a.json").write_text('{"k": 1}\n')
    server.load_json("seed.j", tmp_path / "a.json")
    (tmp_path / "a.parquet").write_bytes(parquet(tmp_path, "SELECT [1] AS xs"))
    server.load_parquet("seed.p", tmp_path / "a.parquet")
    server.load_parquet("seed.p", tmp_path / "a.parquet")
    found = rows(
        "SELECT (SELECT COUNT(*) FROM seed.a), (SELECT x FROM seed.z), (SELECT y FROM seed.z), "
        "(SELECT k FROM seed.j), (SELECT xs[0] FROM seed.p)"
    )
    assert found == [(3, 1, None, 1, 1)]
