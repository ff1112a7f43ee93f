"""The task classes: what they refuse, what they register, and a local run up to the wire."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import inspect
import pathlib
import re
import subprocess
import sys
from collections import OrderedDict
from typing import Annotated, Any, Optional, get_args

import pytest
from flyteidl.core.tasks_pb2 import TaskTemplate
from flytekit import StructuredDataset, TaskMetadata, kwtypes, task, workflow
from flytekit.configuration import Image, ImageConfig, SerializationSettings
from flytekit.tools.translator import get_serializable
from flytekit.types.directory import FlyteDirectory
from flytekit.types.file import FlyteFile
from google.cloud import bigquery
from google.protobuf.json_format import MessageToDict

import flyte_agent_bigquery
from flyte_agent_bigquery import (
    SERVICE_PROJECT,
    BigQueryCheckTask,
    BigQueryConfig,
    BigQueryJobTask,
    BigQuerySensor,
    BigQueryTask,
    BigQueryType,
    CheckReport,
    CopyConfig,
    CostGuard,
    ExtractConfig,
    LoadConfig,
    TableState,
    checks,
)
from flyte_agent_bigquery.config import STOCK_TASK_TYPE, TASK_TYPE, parse_custom
from flyte_agent_bigquery.parameters_job import job_configuration
from flyte_agent_bigquery.sensor_meta import Condition
from flyte_agent_bigquery.task_sql import MAX_SQL_BYTES, scan
from flyte_agent_bigquery.types import ANNOTATED_TYPES
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.outputs import OutputSpec

SETTINGS = SerializationSettings(
    ImageConfig(Image("i", "example.com/i", "1")),
    project="flights",
    domain="development",
    version="v1",
)
CONFIG = BigQueryConfig("p-1")


@dataclasses.dataclass
class Carrier:
    carrier: str
    flights: int
    revenue: Optional[decimal.Decimal] = None


def registered(entity: Any) -> TaskTemplate:
    """Return the task as ``pyflyte register`` sends it."""
    template: TaskTemplate = get_serializable(
        OrderedDict(), SETTINGS, entity
    ).template.to_flyte_idl()
    return template


def request_of(entity: Any) -> Any:
    """Return what the agent reads of a registered task."""
    return parse_custom(MessageToDict(registered(entity).custom))


SQL = """
-- Which carriers are late? The comment, the tabs and {{ .inputs.minutes }} stay.
SELECT\tcarrier,  COUNT(*) AS flights /* @ignored */
FROM `p-1.travel.flights` WHERE dep_delay > @minutes AND note != '@nobody  two  spaces'
"""


def test_a_query_is_registered_whole():
    query = BigQueryTask(
        "late",
        SQL,
        BigQueryConfig(
            "p-1",
            "EU",
            labels={"team": "a"},
            cost=CostGuard(max_bytes=2**60, max_usd=1.5, action="warn"),
            credentials="bigquery-key",
            impersonate="etl@p-1.iam.gserviceaccount.com",
        ),
        {"minutes": int},
        list[Carrier],
        max_rows=50,
        retries=2,
        timeout=dt.timedelta(hours=1),
        cache=True,
        cache_version="1",
    )

    template = registered(query)

    assert template.type == TASK_TYPE
    assert template.sql.statement == SQL
    assert template.metadata.retries.retries == 2
    assert template.metadata.timeout.seconds == 3600
    assert template.metadata.discovery_version == "1"
    assert not template.HasField("container"), "an agent's task needs no image"
    assert list(OutputSpec.of(template.interface).kinds.items()) == [
        ("results", ["list", "struct"])
    ]
    request = request_of(query)
    assert request == query.request
    assert dataclasses.asdict(request) == {
        "kind": "query",
        "project": "p-1",
        "location": "EU",
        "configuration": {"labels": {"team": "a"}},
        "parameters": {"minutes": {"type": "INT64"}},
        "parameter_order": ["minutes"],
        "parameter_mode": "NAMED",
        "result": "rows",
        "max_rows": 50,
        "cost": {"max_bytes": 2**60, "max_usd": 1.5, "usd_per_tib": 6.25, "action": "warn"},
        "credentials": "bigquery-key",
        "impersonate": ["etl@p-1.iam.gserviceaccount.com"],
        "checks": [],
        "on_failure": "fail",
    }


OUTPUTS: list[tuple[Any, str, Any]] = [
    (None, "none", None),
    (StructuredDataset, "dataset", "dataset"),
    (Carrier, "row", "struct"),
    (Optional[Carrier], "row", ["union"]),
    (list[Carrier], "rows", ["list", "struct"]),
    (list[int], "rows", ["list", "int"]),
    (int, "scalar", "int"),
    (Optional[float], "scalar", ["union"]),
    (decimal.Decimal, "scalar", "str"),
    (dt.date, "scalar", "datetime"),
    (dt.time, "scalar", "str"),
    (bytes, "scalar", "str"),
    (bool, "scalar", "bool"),
    (dict, "scalar", "struct"),
    (Annotated[list[int], BigQueryType("JSON")], "scalar", ["list", "int"]),
]


@pytest.mark.parametrize(("output", "result", "kind"), OUTPUTS, ids=str)
def test_an_output_says_how_it_is_made(output: Any, result: str, kind: Any):
    query = BigQueryTask("q", "SELECT 1", CONFIG, output=output)

    kinds = OutputSpec.of(registered(query).interface).kinds

    assert request_of(query).result == result
    if kind == ["union"]:
        assert kinds["results"][0] == "union"
    else:
        assert kinds == ({} if kind is None else {"results": kind})


def test_a_dataset_may_name_its_columns():
    pytest.importorskip("numpy")  # flytekit asks it for the types a column may have
    output = Annotated[StructuredDataset, kwtypes(a=int)]

    assert BigQueryTask("q", "SELECT 1", CONFIG, output=output).request.result == "dataset"


def test_a_data_frame_is_a_dataset():
    pandas = pytest.importorskip("pandas")

    assert (
        BigQueryTask("q", "SELECT 1", CONFIG, output=pandas.DataFrame).request.result == "dataset"
    )


def test_changing_one_import_line_keeps_a_stock_workflow():
    """The stock plugin's own example, argument by argument."""
    query = BigQueryTask(
        name="sql.bigquery.w_io",
        inputs=kwtypes(version=int),
        output_structured_dataset_type=StructuredDataset,
        query_template="SELECT * FROM `p-1.d.t` WHERE version = @version LIMIT 10;",
        task_config=BigQueryConfig(
            ProjectID="p-1",
            Location="US",
            QueryJobConfig=bigquery.QueryJobConfig(
                destination="p-1.d.out", maximum_bytes_billed=7, labels={"a": "b"}
            ),
        ),
        metadata=TaskMetadata(retries=1),
    )

    request = request_of(query)

    assert (request.project, request.location, request.result) == ("p-1", "US", "dataset")
    assert request.configuration == {
        "query": {
            "destinationTable": {"projectId": "p-1", "datasetId": "d", "tableId": "out"},
            "maximumBytesBilled": "7",
        },
        "labels": {"a": "b"},
    }
    assert [*query.python_interface.outputs] == ["results"]
    assert registered(query).metadata.retries.retries == 1


PARAMETERS: list[tuple[str, list[str], str]] = [
    ("SELECT @a, @A", ["a"], "NAMED"),
    ("SELECT @b WHERE x = @a", ["a", "b"], "NAMED"),
    ("SELECT ?, ?", ["a", "b"], "POSITIONAL"),
    ("SELECT '?', \"@a\", `@b`, @@error.message -- @c ?\n# @d\n/* ? */", [], "NAMED"),
    ("SELECT r'\\'@a', '''it's @b''', b\"\"\"@c\"\"\"", [], "NAMED"),
    ("SELECT @`a` FROM t @{hint=1}", ["a"], "NAMED"),
    ("SELECT 'never closed @a", ["b"], "NAMED"),
    ("#legacySQL\nSELECT @x", [], "NAMED"),
    ("SELECT * FROM t MATCH_RECOGNIZE (PATTERN (A? B+) DEFINE A AS x)", [], "NAMED"),
    ("BEGIN DECLARE x INT64 DEFAULT @a; SELECT x; END;", ["a"], "NAMED"),
]


@pytest.mark.parametrize(("sql", "names", "mode"), PARAMETERS)
def test_parameters_are_found_where_sql_has_them(sql: str, names: list[str], mode: str):
    query = BigQueryTask("q", sql, CONFIG, dict.fromkeys(names, int))

    assert request_of(query).parameter_mode == mode
    assert request_of(query).parameter_order == names


def test_statements_are_counted():
    assert [scan(sql).statements for sql in ("", "-- x", "SELECT 1", "SELECT 1;", "a; b")] == [
        0,
        0,
        1,
        1,
        2,
    ]


def test_a_value_in_the_raw_configuration_is_a_parameter_too():
    raw = bigquery.QueryJobConfig(
        query_parameters=[bigquery.ScalarQueryParameter("limit", "INT64", 5)]
    )
    query = BigQueryTask(
        "q", "SELECT @a, @limit", BigQueryConfig("p-1", job_config=raw), {"a": int}
    )

    made = job_configuration(request_of(query), query.sql, {"a": 1})["query"]

    assert [p["name"] for p in made["queryParameters"]] == ["limit", "a"]
    with pytest.raises(InvalidConfig, match="a name that job_config has no value for"):
        BigQueryTask("q", "SELECT @Limit", BigQueryConfig("p-1", job_config=raw), {"Limit": int})


@dataclasses.dataclass
class Unfit:
    x: set


ANOTHER_SQL = BigQueryConfig("p-1", job_config={"query": {"query": "SELECT 2"}})
LEGACY = BigQueryConfig("p-1", job_config={"query": {"useLegacySql": True}})
QUERY_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({}, "query: found NoneType, expected str"),
    ({"query": " \n"}, "found no text"),
    ({"query": "SELECT 1", "query_template": "SELECT 1"}, "query or query_template, not both"),
    ({"query": "SELECT '\0'"}, "a NUL byte at character 8"),
    ({"query": "SELECT '\ud800'"}, "outside of Unicode"),
    ({"query": "-" * (MAX_SQL_BYTES + 1)}, "1,048,577 bytes of SQL, expected at most 1,048,576"),
    ({"query": "SELECT 1", "config": None}, "The project that runs and pays for the job has to be said"),
    ({"query": "SELECT 1", "config": {"project": "p"}}, "Import BigQueryConfig from flyte_agent_bigquery"),
    ({"query": "SELECT @minute", "inputs": {"minutes": int}}, "found @minute, .* Did you mean 'minutes'"),
    ({"query": "SELECT @minutes"}, r"Declare it: inputs=\{'minutes': <type>\}"),
    ({"query": "SELECT 1", "inputs": {"n": int}}, "found 'n', which the query does not use"),
    ({"query": "SELECT {{ .inputs.n }}", "inputs": {"n": int}}, "is not replaced in SQL"),
    ({"query": "SELECT ?", "inputs": {"a": int, "b": int}}, r"found 1 \?, expected 2"),
    ({"query": "SELECT ?"}, r"found 1 \?, expected 0: .*\(none\)"),
    ({"query": "SELECT ?, @a", "inputs": {"a": int}}, r"found both \? and @a"),
    ({"query": "SELECT @a", "inputs": {"a": int, "A": int}}, "upper from lower case"),
    ({"query": "SELECT 1", "inputs": {"größe": int}}, "ASCII letters"),
    ({"query": "SELECT @x", "inputs": {"x": list[list[int]]}}, "input 'x': .* no ARRAY of ARRAY"),
    ({"query": "SELECT @x", "inputs": {"x": StructuredDataset}}, "input 'x': .* not a table or a file"),
    ({"query": "SELECT 1", "config": LEGACY, "inputs": {"x": int}}, "legacy SQL has no parameters"),
    ({"query": "SELECT 1", "output": {"a": int, "b": int}}, "return one row as a dataclass"),
    ({"query": "SELECT 1", "output": tuple[int, str]}, "output: found"),
    ({"query": "SELECT 1", "output": list[Unfit]}, "output, field Unfit.x: found set"),
    ({"query": "SELECT 1", "max_rows": 0}, "max_rows: found 0"),
    ({"query": "SELECT 1", "retires": 3}, "Did you mean 'retries'"),
    ({"query": "SELECT 1", "metadata": TaskMetadata(), "retries": 3}, "its fields, not both"),
    ({"query": "SELECT 1", "config": ANOTHER_SQL}, "the SQL in the task's query only"),
    ({"query": "SELECT 1", "config": BigQueryConfig("p-1", job_config={"load": {}})}, "'query' and no other kind"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "says"), QUERY_MISTAKES, ids=[says[:40] for _, says in QUERY_MISTAKES]
)
def test_mistake_in_a_query_is_told_at_construction(args: dict[str, Any], says: str):
    with pytest.raises(InvalidConfig, match=says) as caught:
        BigQueryTask(**{"name": "q", "config": CONFIG, **args})

    assert len(str(caught.value)) < 600


def test_sql_of_one_megabyte_is_taken():
    sql = "SELECT '" + "x" * (MAX_SQL_BYTES - 9) + "'"

    assert BigQueryTask("q", sql, CONFIG).sql == sql


DAY = {"day": dt.date}
JOBS: list[tuple[Any, dict[str, Any], dict[str, Any], str, dict[str, Any]]] = [
    (
        LoadConfig("gs://b/{inputs.day:%Y%m%d}/*.csv", "d.t", "CSV"),
        {"day": dt.date},
        {"day": dt.datetime(2024, 5, 6, tzinfo=dt.timezone.utc)},
        "load",
        {
            "sourceUris": ["gs://b/20240506/*.csv"],
            "destinationTable": {"projectId": "p-1", "datasetId": "d", "tableId": "t"},
            "sourceFormat": "CSV",
        },
    ),
    (
        ExtractConfig("{inputs.table}", "{inputs.folder}/*.json", "NEWLINE_DELIMITED_JSON"),
        {"table": StructuredDataset, "folder": FlyteDirectory},
        {"table": "bq://p-1:d.t", "folder": "gs://b/out"},
        "extract",
        {
            "sourceTable": {"projectId": "p-1", "datasetId": "d", "tableId": "t"},
            "destinationUris": ["gs://b/out/*.json"],
            "destinationFormat": "NEWLINE_DELIMITED_JSON",
        },
    ),
    (
        CopyConfig("d.t", "d.t_{inputs.n}", operation="SNAPSHOT"),
        {"n": int},
        {"n": 3},
        "copy",
        {
            "sourceTables": [{"projectId": "p-1", "datasetId": "d", "tableId": "t"}],
            "destinationTable": {"projectId": "p-1", "datasetId": "d", "tableId": "t_3"},
            "operationType": "SNAPSHOT",
        },
    ),
    (
        {"load": {"sourceUris": ["{inputs.file}"], "destinationTable": {"datasetId": "d", "tableId": "t"}}},
        {"file": FlyteFile},
        {"file": "gs://b/x.csv"},
        "load",
        {
            "sourceUris": ["gs://b/x.csv"],
            "destinationTable": {"projectId": "p-1", "datasetId": "d", "tableId": "t"},
        },
    ),
    (
        bigquery.ExtractJobConfig(compression="GZIP"),
        {},
        {},
        "extract",
        {"compression": "GZIP"},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("job", "inputs", "values", "kind", "rest"), JOBS, ids=lambda v: type(v).__name__
)
def test_a_job_is_registered_and_filled(
    job: Any, inputs: dict[str, Any], values: dict[str, Any], kind: str, rest: dict[str, Any]
):
    entity = BigQueryJobTask("j", job, BigQueryConfig("p-1", labels={"a": "b"}), inputs)

    request = request_of(entity)

    assert (request.kind, request.result) == (kind, "none")
    assert not registered(entity).sql.statement
    assert job_configuration(request, "", values) == {kind: rest, "labels": {"a": "b"}}


def test_a_job_that_writes_a_table_can_give_it():
    load = BigQueryJobTask(
        "j", LoadConfig("gs://b/x", "d.t", "CSV"), CONFIG, output=StructuredDataset
    )

    assert request_of(load).result == "dataset"


def test_a_script_is_a_job_too():
    raw = {"query": {"query": "SELECT @a; SELECT 2;", "priority": "BATCH"}, "maxSlots": 5}
    script = BigQueryJobTask("s", raw, CONFIG, {"a": int}, int)

    template, request = registered(script), request_of(script)

    assert template.sql.statement == "SELECT @a; SELECT 2;"
    assert (request.kind, request.result) == ("query", "scalar")
    assert request.configuration == {"query": {"priority": "BATCH"}, "maxSlots": 5}
    assert raw["query"]["query"] == "SELECT @a; SELECT 2;", "the caller's dict was changed"


JOB_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"job": {"query": {"query": "x"}, "load": {}}}, "REST JobConfiguration of one kind"),
    ({"job": {"queryy": {}}}, "REST JobConfiguration of one kind"),
    ({"job": "SELECT 1"}, "a LoadConfig, ExtractConfig, CopyConfig"),
    ({"job": {"query": {}}}, "job.query.query: found NoneType"),
    ({"job": {"load": {}}, "config": BigQueryConfig("p-1", job_config={"load": {}})}, "one in job or in config"),
    ({"job": LoadConfig("gs://b/{inputs.dya}", "d.t", "CSV"), "inputs": DAY}, "Did you mean 'day'"),
    ({"job": LoadConfig("gs://b/x", "d.t", "CSV"), "inputs": DAY}, "an input that the job uses"),
    ({"job": LoadConfig("gs://b/x", "d.t", "CSV"), "output": int}, "the table that was written"),
    ({"job": ExtractConfig("d.t", "gs://b/x", "CSV"), "output": StructuredDataset}, "writes files, not a table"),
    ({"job": CopyConfig("d.t", "d.u"), "config": BigQueryConfig("p-1", cost=CostGuard(max_usd=1))}, "reads for free"),
    ({"job": CopyConfig("d.t", "d.u"), "config": BigQueryConfig("p-1", priority="BATCH")}, "and this is a copy"),
    ({"job": CopyConfig("d.t", "d.u"), "config": None}, "has to be said"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("args", "says"), JOB_MISTAKES, ids=[says[:40] for _, says in JOB_MISTAKES]
)
def test_mistake_in_a_job_task_is_told_at_construction(args: dict[str, Any], says: str):
    with pytest.raises(InvalidConfig, match=says):
        BigQueryJobTask(**{"name": "j", "config": CONFIG, **args})


def test_checks_are_registered_as_one_query():
    check = BigQueryCheckTask(
        "sane",
        "d.t",
        [
            checks.row_count(geq=1, where="day = @day"),
            checks.column("a", null_check={"eq": 0}),
            checks.value("SELECT 1", eq=1),
        ],
        CONFIG,
        DAY,
        on_failure="report",
    )

    template, request = registered(check), request_of(check)

    assert "FROM `p-1.d.t`" in template.sql.statement
    assert [rule.kind for rule in request.checks] == ["row_count", "column", "value"]
    assert (request.kind, request.result, request.on_failure) == ("check", "row", "report")
    assert request.parameters == {"day": {"type": "DATE"}}
    assert check.python_interface.outputs == {"report": CheckReport}


def test_a_table_without_a_known_project_keeps_its_own_name():
    check = BigQueryCheckTask(
        "c", "d.t", [checks.row_count(geq=1)], BigQueryConfig(SERVICE_PROJECT)
    )

    assert "FROM `d.t`" in check.sql


ONE = checks.row_count(geq=1)
CHECK_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"checks": []}, "at least one check"),
    ({"checks": ["COUNT(*) > 0"]}, "at least one check"),
    ({"checks": [ONE, ONE]}, "a different name for each check"),
    ({"checks": [ONE], "table": ""}, "Give the task table="),
    ({"checks": [ONE], "table": "t"}, "'project.dataset.table' or 'dataset.table'"),
    ({"checks": [checks.row_count(geq=1, where="day = @dy")], "inputs": DAY}, "Did you mean 'day'"),
    ({"checks": [checks.row_count(geq=1, where="day = ?")], "inputs": DAY}, "@name for every input"),
    ({"checks": [ONE], "on_failure": "ignore"}, "'fail' or 'report'"),
]  # fmt: skip


@pytest.mark.parametrize(("args", "says"), CHECK_MISTAKES, ids=[says for _, says in CHECK_MISTAKES])
def test_mistake_in_a_check_task_is_told_at_construction(args: dict[str, Any], says: str):
    with pytest.raises(InvalidConfig, match=says):
        BigQueryCheckTask(**{"name": "c", "table": "d.t", "config": CONFIG, **args})


late = BigQueryTask(
    "late", "SELECT COUNT(*) FROM d.t WHERE fare > @fare", CONFIG, {"fare": decimal.Decimal}, int
)
gate = BigQueryCheckTask("gate", "d.t", [ONE], CONFIG)


@task
def fare() -> decimal.Decimal:
    return decimal.Decimal("1.50")


@workflow
def flow() -> int:
    checked = gate()
    found = late(fare=fare())
    checked >> found
    return found


def test_tasks_are_wired_in_a_workflow():
    """Both ends of the edge agree on how a Decimal travels."""
    spec = get_serializable(OrderedDict(), SETTINGS, flow)

    upstream = {node.id: set(node.upstream_node_ids) for node in spec.template.nodes}
    assert upstream == {"n0": set(), "n1": set(), "n2": {"n0", "n1"}}
    assert "PythonPickle" not in str(registered(fare))


def test_a_local_run_sends_what_the_author_wrote(vendor: Any):
    """The real agent and the real SDK, up to the wire."""
    vendor.new_job = {
        "status": {"state": "DONE"},
        "statistics": {"query": {"statementType": "SELECT"}},
    }
    vendor.page = {
        "jobComplete": True,
        "schema": {"fields": [{"name": "n", "type": "INTEGER"}]},
        "rows": [{"f": [{"v": "42"}]}],
        "totalRows": "1",
    }

    assert late(fare=decimal.Decimal("1.50")) == 42

    sent = next(r.json for r in vendor.requests if r.route == "insert")["configuration"]["query"]
    assert sent["query"] == late.sql
    assert sent["useLegacySql"] is False
    assert sent["queryParameters"] == [
        {"name": "fare", "parameterType": {"type": "NUMERIC"}, "parameterValue": {"value": "1.5"}}
    ]


def test_everything_public_can_be_imported():
    for name in flyte_agent_bigquery.__all__:
        assert getattr(flyte_agent_bigquery, name) is not None
    assert set(flyte_agent_bigquery.__all__) <= set(dir(flyte_agent_bigquery))
    with pytest.raises(AttributeError, match="no attribute 'BigQueryTsk'"):
        flyte_agent_bigquery.BigQueryTsk  # noqa: B018  # the access is the test


@pytest.mark.parametrize(
    "first",
    [
        "import flytekit",
        "import flyte_agent_core",
        "import flyte_agent_bigquery.agent",
        "from flyte_agent_bigquery import BigQueryTask",
    ],
)
def test_the_agent_is_registered_whatever_is_imported_first(first: str):
    """flytekit loads the plugin in the middle of what the program is just importing."""
    script = f"{first}\nfrom flyte_agent_core.registration import REPORT\nprint(REPORT[0].state)"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "served"


def test_the_authors_side_loads_no_vendor_sdk():
    script = (
        # flytekit's own plugin, where it is installed, loads the SDK with flytekit itself.
        "import sys, flytekit; before = set(sys.modules)\n"
        "from flyte_agent_bigquery import *\n"
        "BigQueryTask('q', 'SELECT 1', BigQueryConfig('p-1'), output=int)\n"
        "heavy = {'google.cloud.bigquery', 'pandas', 'pyarrow', 'duckdb', 'sqlglot'}\n"
        "print(heavy & (set(sys.modules) - before) or 'none')"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert ran.stdout.strip() == "none"


def test_the_names_of_the_task_types_stay():
    """They are in every workflow that is registered."""
    assert (TASK_TYPE, STOCK_TASK_TYPE) == ("bigquery_job", "bigquery_query_job_task")


README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_examples_of_the_readme_are_right(tmp_path: pathlib.Path):
    """They are one program: each block goes on from those before it."""
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    names = re.findall(r"^(\w+) = BigQuery\w*(?:Task|Sensor)\(", "\n".join(blocks), re.MULTILINE)
    tell = f"for t in ({', '.join(names)}): print(t.get_custom(None)['project'])"
    script = tmp_path / "readme.py"
    script.write_text("\n".join([*blocks, tell]))

    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert ran.stdout.split() == ["my-project"] * len(names), ran.stderr[-2000:]
    assert len(names) >= 8


@pytest.mark.parametrize("cls", [BigQueryConfig, CostGuard, LoadConfig, ExtractConfig, CopyConfig])
def test_every_option_is_in_the_readme(cls: type):
    text = README.read_text()
    missing = [f.name for f in dataclasses.fields(cls) if f"`{f.name}`" not in text]

    assert not missing, f"add {missing} of {cls.__name__} to {README.name}"


def test_every_argument_of_a_sensor_is_in_the_readme():
    part = README.read_text().partition("## Waiting for a table")[2].partition("\n## ")[0]
    parameters = inspect.signature(BigQuerySensor.__init__).parameters
    arguments = set(parameters) - {"self", "name", "inputs", "options"}
    names = {*arguments, *(f.name for f in dataclasses.fields(TableState)), *get_args(Condition)}

    assert [name for name in sorted(names) if f"`{name}`" not in part] == []


def test_every_type_is_in_the_readme():
    table = README.read_text().partition("### Types")[2].partition("```")[0]

    assert [t for t in ANNOTATED_TYPES if t.partition("<")[0] not in table] == []
