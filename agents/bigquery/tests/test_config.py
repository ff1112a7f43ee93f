"""Every field of the configuration reaches the REST API; every mistake is told at construction."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import importlib.resources
import json
from typing import Annotated, Any, Optional

import pytest
from google.cloud import bigquery
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

from flyte_agent_bigquery.checks_rules import CheckRule
from flyte_agent_bigquery.config import CostGuard, JobRequest, parse_custom, parse_stock
from flyte_agent_bigquery.config_author import SERVICE_PROJECT, BigQueryConfig
from flyte_agent_bigquery.config_jobs import CopyConfig, ExtractConfig, LoadConfig
from flyte_agent_bigquery.config_names import dataset_reference, table_reference
from flyte_agent_bigquery.config_parts import RangePartitioning, TimePartitioning
from flyte_agent_bigquery.config_rest import REST_FIELDS
from flyte_agent_bigquery.config_schema import schema_fields
from flyte_agent_bigquery.config_templates import check_placeholders, fill
from flyte_agent_bigquery.types import BigQueryType
from flyte_agent_bigquery.types_hints import row_fields
from flyte_agent_core.errors import InvalidConfig
from flyte_agent_core.inputs import FileRef

KEY = "projects/p/locations/us/keyRings/r/cryptoKeys/k"
RESERVATION = "projects/p/locations/US/reservations/r"
TABLE = {"projectId": "p-1", "datasetId": "d", "tableId": "t"}


def discovery() -> dict[str, Any]:
    """Return Google's own description of the REST API."""
    folder = importlib.resources.files("googleapiclient") / "discovery_cache" / "documents"
    schemas: dict[str, Any] = json.loads((folder / "bigquery.v2.json").read_text())["schemas"]
    return schemas


SCHEMAS = discovery()

# Field -> value, other fields it needs, and what it becomes in the REST JobConfiguration.
REST: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "destination": ("d.t", {}, {"query": {"destinationTable": TABLE}}),
    "create_disposition": (
        "CREATE_NEVER",
        {"destination": "d.t"},
        {"query": {"destinationTable": TABLE, "createDisposition": "CREATE_NEVER"}},
    ),
    "write_disposition": (
        "WRITE_TRUNCATE_DATA",
        {"destination": "d.t"},
        {"query": {"destinationTable": TABLE, "writeDisposition": "WRITE_TRUNCATE_DATA"}},
    ),
    "partitioning": (
        TimePartitioning("HOUR", "at", expiration_s=1.5),
        {"destination": "d.t"},
        {
            "query": {
                "destinationTable": TABLE,
                "timePartitioning": {"type": "HOUR", "field": "at", "expirationMs": "1500"},
            }
        },
    ),
    "clustering": (
        ["a", "b"],
        {"destination": "d.t"},
        {"query": {"destinationTable": TABLE, "clustering": {"fields": ["a", "b"]}}},
    ),
    "schema_update_options": (
        ["ALLOW_FIELD_ADDITION"],
        {"destination": "d.t", "write_disposition": "WRITE_APPEND"},
        {
            "query": {
                "destinationTable": TABLE,
                "writeDisposition": "WRITE_APPEND",
                "schemaUpdateOptions": ["ALLOW_FIELD_ADDITION"],
            }
        },
    ),
    "default_dataset": (
        "other-project.d",
        {},
        {"query": {"defaultDataset": {"projectId": "other-project", "datasetId": "d"}}},
    ),
    "labels": ({"my-team_1": "föö"}, {}, {"labels": {"my-team_1": "föö"}}),
    "priority": ("BATCH", {}, {"query": {"priority": "BATCH"}}),
    "maximum_bytes_billed": (2**60, {}, {"query": {"maximumBytesBilled": str(2**60)}}),
    "use_query_cache": (False, {}, {"query": {"useQueryCache": False}}),
    "create_session": (True, {}, {"query": {"createSession": True}}),
    "session_id": (
        "s1",
        {},
        {"query": {"connectionProperties": [{"key": "session_id", "value": "s1"}]}},
    ),
    "connection_properties": (
        {"time_zone": "UTC"},
        {},
        {"query": {"connectionProperties": [{"key": "time_zone", "value": "UTC"}]}},
    ),
    "kms_key": (KEY, {}, {"query": {"destinationEncryptionConfiguration": {"kmsKeyName": KEY}}}),
    "udfs": (
        ["gs://b/f.js", "function f() {}"],
        {},
        {
            "query": {
                "userDefinedFunctionResources": [
                    {"resourceUri": "gs://b/f.js"},
                    {"inlineCode": "function f() {}"},
                ]
            }
        },
    ),
    "table_definitions": (
        {"ext": {"sourceFormat": "CSV", "sourceUris": ["gs://b/x.csv"]}},
        {},
        {"query": {"tableDefinitions": {"ext": {"sourceFormat": "CSV", "sourceUris": ["gs://b/x.csv"]}}}},
    ),
    "continuous": (True, {}, {"query": {"continuous": True}}),
    "write_incremental_results": (True, {}, {"query": {"writeIncrementalResults": True}}),
    "statement_timeout_s": (2, {}, {"query": {"scriptOptions": {"statementTimeoutMs": "2000"}}}),
    "statement_max_bytes": (5, {}, {"query": {"scriptOptions": {"statementByteBudget": "5"}}}),
    "key_result_statement": (
        "FIRST_SELECT",
        {},
        {"query": {"scriptOptions": {"keyResultStatement": "FIRST_SELECT"}}},
    ),
    "reservation": (RESERVATION, {}, {"reservation": RESERVATION}),
    "job_timeout_s": (0.5, {}, {"jobTimeoutMs": "500"}),
    "max_slots": (100, {}, {"maxSlots": 100}),
    "job_config": (
        {"query": {"flattenResults": False}, "labels": {"a": "b"}},
        {},
        {"query": {"flattenResults": False}, "labels": {"a": "b"}},
    ),
}  # fmt: skip

# Fields that reach the agent beside the REST configuration; test_task.py follows them there.
BESIDE = {"project", "location", "cost", "credentials", "impersonate"}


@pytest.mark.parametrize("name", REST)
def test_field_reaches_the_rest_configuration(name: str):
    value, others, rest = REST[name]

    made = BigQueryConfig("p-1", **{name: value}, **others).rest()

    assert made == rest
    assert unknown_fields(made, "JobConfiguration") == []


def test_every_field_has_its_place():
    """A field added to the class without a case here would be lost on the way, as stock's were."""
    names = {field.name for field in dataclasses.fields(BigQueryConfig)}

    assert names == set(REST) | BESIDE
    assert {name for name, _, _ in REST_FIELDS} == set(REST) - {"job_config"}


def unknown_fields(value: Any, schema: str) -> list[str]:
    """Return the names in ``value`` that the discovery document does not have for ``schema``."""
    found = []
    known = SCHEMAS[schema]["properties"]
    for name, inner in value.items():
        if name not in known:
            found.append(f"{schema}.{name}")
            continue
        ref = known[name].get("$ref") or known[name].get("items", {}).get("$ref")
        for item in inner if isinstance(inner, list) else [inner]:
            found += unknown_fields(item, ref) if ref and isinstance(item, dict) else []
    return found


def test_range_partitioning_has_its_own_place():
    made = BigQueryConfig(
        "p-1", destination="d.t", partitioning=RangePartitioning("id", 0, 2**60, 10)
    ).rest()

    assert made["query"]["rangePartitioning"] == {
        "field": "id",
        "range": {"start": "0", "end": str(2**60), "interval": "10"},
    }


def test_the_whole_of_a_query_job_config_is_honoured():
    """The stock plugin lost all of it."""
    config = bigquery.QueryJobConfig(
        destination="p-1.d.t",
        write_disposition="WRITE_TRUNCATE",
        labels={"team": "a"},
        maximum_bytes_billed=10**12,
        use_query_cache=False,
        query_parameters=[bigquery.ScalarQueryParameter("x", "INT64", 1)],
        job_timeout_ms=5000,
    )
    before = copy.deepcopy(config.to_api_repr())

    made = BigQueryConfig(
        ProjectID="p-1", Location="EU", QueryJobConfig=config, priority="BATCH"
    ).rest()

    assert made == {**before, "query": {**before["query"], "priority": "BATCH"}}
    assert config.to_api_repr() == before


def test_lists_and_labels_of_both_are_put_together():
    raw = {
        "labels": {"a": "1"},
        "query": {"connectionProperties": [{"key": "time_zone", "value": "UTC"}]},
    }
    made = BigQueryConfig("p-1", job_config=raw, labels={"b": "2"}, session_id="s").rest()

    assert made["labels"] == {"a": "1", "b": "2"}
    assert [p["key"] for p in made["query"]["connectionProperties"]] == ["time_zone", "session_id"]


def test_the_same_said_twice_is_no_contradiction():
    raw = {"query": {"maximumBytesBilled": "5", "priority": "BATCH"}}
    made = BigQueryConfig("p-1", job_config=raw, maximum_bytes_billed=5, priority="BATCH").rest()

    assert made == raw


def test_other_jobs_take_what_is_true_of_every_job():
    config = BigQueryConfig("p-1", labels={"a": "b"}, job_timeout_s=1, reservation="none")

    for part in ("load", "extract", "copy"):
        assert config.rest(part) == {
            "labels": {"a": "b"},
            "jobTimeoutMs": "1000",
            "reservation": "none",
        }
    with pytest.raises(
        InvalidConfig, match=r"use_query_cache: .* about queries, and this is a load"
    ):
        BigQueryConfig("p-1", use_query_cache=True).rest("load")


UPDATE = ["ALLOW_FIELD_ADDITION"]
BY_TIME = TimePartitioning()
BY_RANGE = {"query": {"rangePartitioning": {"field": "i"}}}
RAW = {"query": {"destinationTable": TABLE}}
MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({}, "BigQueryConfig.project: missing; .* project=SERVICE_PROJECT"),
    ({"project": None}, "BigQueryConfig.project: found None, expected str. .* project=SERVICE_PROJECT"),
    ({"project": "My Project"}, "project: found 'My Project', expected a project id"),
    ({"project": "p-1", "ProjectID": "p-1"}, "BigQueryConfig.project: given twice"),
    ({"project": "p-1", "destination_": "d.t"}, "destination_: unknown field. Did you mean 'destination'"),
    ({"project": "p-1", "xyz": 1}, "xyz: unknown field. Known fields: project, location"),
    ({"project": "p-1", "location": "somewhere nice"}, "location: found 'somewhere nice', expected a region"),
    ({"project": "p-1", "destination": "t"}, "destination: found 't', expected 'project.dataset.table'"),
    ({"project": "p-1", "destination": "d.t/../x"}, "destination: found"),
    ({"project": "p-1", "destination": "A B.d.t"}, "destination: found 'A B', expected a project id"),
    ({"project": "p-1", "destination": "d.t2", "job_config": RAW}, "one destination, but job_config has another"),
    ({"project": "p-1", "labels": {"a": "1"}, "job_config": {"labels": {"a": "2"}}}, r"labels\['a'\]: found '1'"),
    ({"project": "p-1", "job_config": {"labels": {"A": "2"}}}, "labels key: found 'A'"),
    ({"project": "p-1", "create_disposition": "CREATE_NEVER"}, "Add destination="),
    ({"project": "p-1", "clustering": ["a"]}, "clustering: found .* expected a destination"),
    ({"project": "p-1", "partitioning": TimePartitioning()}, "for CREATE TABLE say it in the SQL"),
    ({"project": "p-1", "clustering": "a"}, r"clustering: found 'a', expected a list of str or None. Write \['a'\]"),
    ({"project": "p-1", "destination": "d.t", "clustering": list("abcde")}, "one to four"),
    ({"project": "p-1", "write_disposition": "TRUNCATE"}, "Did you mean 'WRITE_TRUNCATE'"),
    ({"project": "p-1", "destination": "d.t", "schema_update_options": UPDATE}, "found None, expected WRITE_APPEND"),
    ({"project": "p-1", "destination": "d.t", "partitioning": BY_TIME, "job_config": BY_RANGE}, "one of both"),
    ({"project": "p-1", "default_dataset": "a.b.c!"}, "default_dataset: found"),
    ({"project": "p-1", "labels": {"Team": "a"}}, "labels key: found 'Team', .* Write 'team'"),
    ({"project": "p-1", "labels": {"1st": "a"}}, "beginning with a letter"),
    ({"project": "p-1", "labels": {"a": "x" * 64}}, "at most 63"),
    ({"project": "p-1", "labels": {"a": "1.0"}}, "Write '1-0'"),
    ({"project": "p-1", "labels": {f"k{i}": "" for i in range(64)}}, "at most 63 labels"),
    ({"project": "p-1", "labels": {"flyte-config": "x"}}, "The agent uses this one itself"),
    ({"project": "p-1", "table_definitions": []}, "a dict of str to a dict of str to any value"),
    ({"project": "p-1", "labels": {"a": 1}}, "expected a dict of str to str"),
    ({"project": "p-1", "priority": "batch"}, "Did you mean 'BATCH'"),
    ({"project": "p-1", "maximum_bytes_billed": "10 GB"}, "expected a whole number"),
    ({"project": "p-1", "maximum_bytes_billed": 0}, "expected a number above 0"),
    ({"project": "p-1", "max_slots": True}, "expected a whole number"),
    ({"project": "p-1", "job_timeout_s": -1}, "seconds above 0"),
    ({"project": "p-1", "create_session": True, "session_id": "x"}, "not both"),
    ({"project": "p-1", "session_id": "x", "connection_properties": {"session_id": "y"}}, "each key once"),
    ({"project": "p-1", "kms_key": "k"}, "cryptoKeys/K"),
    ({"project": "p-1", "reservation": "r"}, "reservations/R"),
    ({"project": "p-1", "credentials": '{"private_key": "s3cret"}'}, "expected the name of a secret"),
    ({"project": "p-1", "impersonate": "me"}, "expected a service account"),
    ({"project": "p-1", "impersonate": ["a@b.iam.gserviceaccount.com", "me"]}, "found 'me'"),
    ({"project": "p-1", "cost": {"max_bytes": 1}}, "expected CostGuard"),
    ({"project": "p-1", "job_config": "x"}, "a REST JobConfiguration dict, or a QueryJobConfig"),
    ({"project": "p-1", "job_config": {"queryy": {}}}, "Did you mean 'query'"),
    ({"project": "p-1", "job_config": {"query": {}, "load": {}}}, "A job does one thing"),
    ({"project": "p-1", "job_config": {"query": {}, "dryRun": True}}, r"cost=CostGuard"),
    ({"project": "p-1", "job_config": {"query": {"a": dt.date(2024, 1, 1)}}}, "values that JSON has"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "says"), MISTAKES, ids=[says[:40] for _, says in MISTAKES])
def test_mistake_is_told_at_construction(fields: dict[str, Any], says: str):
    with pytest.raises(InvalidConfig, match=says) as caught:
        BigQueryConfig(**fields)

    assert "s3cret" not in str(caught.value)


def test_too_many_arguments_are_told():
    with pytest.raises(InvalidConfig, match="Name them"):
        BigQueryConfig("p-1", *[None] * 40)


def test_a_checked_class_is_still_a_dataclass():
    config = BigQueryConfig("p-1", location="EU")

    assert dataclasses.replace(config, location=None) == BigQueryConfig("p-1")
    assert copy.deepcopy(config) == config


def test_the_service_project_is_left_open():
    config = BigQueryConfig(SERVICE_PROJECT, destination="d.t")

    assert config.known_project is None
    assert config.rest()["query"]["destinationTable"] == {"datasetId": "d", "tableId": "t"}


TABLES = {
    "d.t": ("p-1", "d", "t"),
    "q-2.d.t": ("q-2", "d", "t"),
    "q-2:d.t": ("q-2", "d", "t"),
    "`q-2.d.t`": ("q-2", "d", "t"),
    "bq://q-2:d.t": ("q-2", "d", "t"),
    "bq://q-2.d.t$20240101": ("q-2", "d", "t$20240101"),
    "example.com:q-2:d.t": ("example.com:q-2", "d", "t"),
    "example.com:q-2.d.t": ("example.com:q-2", "d", "t"),
    "d.täble 1-x": ("p-1", "d", "täble 1-x"),
}


@pytest.mark.parametrize(("text", "parts"), TABLES.items())
def test_table_names_in_every_spelling(text: str, parts: tuple[str, str, str]):
    made = table_reference("f", text, "p-1")

    assert (made["projectId"], made["datasetId"], made["tableId"]) == parts


@pytest.mark.parametrize(
    "text", ["", "t", "d.", ".t", "d.t$", "d-x.t", "a.b.c.d", "d.t`; DROP", "d.t\n"]
)
def test_other_table_names_are_refused(text: str):
    with pytest.raises(InvalidConfig, match=r"^f: found"):
        table_reference("f", text, "p-1")


def test_dataset_names():
    assert dataset_reference("f", "d", None) == {"datasetId": "d"}
    assert dataset_reference("f", "p-1.d", "q") == {"datasetId": "d", "projectId": "p-1"}
    with pytest.raises(InvalidConfig, match=r"^f: found 'd-x'"):
        dataset_reference("f", "d-x", None)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Say which limit holds"),
        ({"max_bytes": 0}, "max_bytes: found 0, expected a number above 0"),
        ({"max_usd": float("nan")}, "max_usd: found nan"),
        ({"max_usd": 1, "action": "stop"}, "one of 'fail', 'warn'"),
        ({"max_usd": 1, "usd_per_tib": -1}, "usd_per_tib"),
    ],
)
def test_a_limit_that_cannot_hold_is_refused(fields: dict[str, Any], says: str):
    with pytest.raises(InvalidConfig, match=says):
        CostGuard(**fields)


def through_struct(custom: dict[str, Any]) -> dict[str, Any]:
    """Return what Flyte makes of ``custom``: a protobuf Struct, whose numbers are doubles."""
    message = Struct()
    message.update(custom)
    made: dict[str, Any] = MessageToDict(message)
    return made


REQUEST = JobRequest(
    kind="check",
    project="p-1",
    location="EU",
    configuration={"query": {"maximumBytesBilled": str(2**60), "scriptOptions": {}}, "maxSlots": 7},
    parameters={"b": {"type": "INT64"}, "a": {"type": "ARRAY", "arrayType": {"type": "DATE"}}},
    parameter_order=["b", "a"],
    parameter_mode="NAMED",
    result="row",
    max_rows=5,
    cost=CostGuard(max_bytes=2**60, max_usd=2.0, usd_per_tib=5.0, action="warn"),
    credentials="key",
    impersonate=["a@b.iam.gserviceaccount.com"],
    checks=[CheckRule("c", "row_count")],
    on_failure="report",
)


def test_the_request_comes_back_from_flyte_as_it_was():
    for field in dataclasses.fields(JobRequest):
        default = field.default if field.default is not dataclasses.MISSING else None
        is_set = getattr(REQUEST, field.name) not in (default, {}, [])
        assert is_set or field.name == "parameter_mode", f"{field.name} is not in this test"

    back = parse_custom(through_struct(REQUEST.to_custom()))

    assert back == REQUEST
    assert isinstance(back.configuration["maxSlots"], int)
    assert parse_custom(through_struct(JobRequest().to_custom())) == JobRequest()


@pytest.mark.parametrize(
    ("custom", "says"),
    [
        ({"projekt": "p"}, "projekt: unknown field. Did you mean 'project'"),
        ({"max_rows": "many"}, "max_rows: found str 'many', expected int"),
        ({"kind": "delete"}, "kind"),
        ({"cost": {"max_usd": 1, "currencyy": "EUR"}}, r"cost.currencyy: unknown field"),
        ({"configuration": {"load": {}}}, "'query' and no other kind"),
        ({"parameter_order": ["a"]}, "parameter_order"),
        ({"kind": "check"}, "checks"),
    ],
)
def test_a_garbled_request_is_refused_by_field(custom: dict[str, Any], says: str):
    with pytest.raises(InvalidConfig, match=says):
        parse_custom(custom)


def stock_interface(**outputs: Any) -> Any:
    """Return the interface of a stock task with one input of each kind."""
    from flytekit.core.interface import Interface, transform_interface_to_typed_interface

    interface = Interface({"n": int, "at": dt.datetime, "ids": list[int]}, outputs)
    typed = transform_interface_to_typed_interface(interface)
    return typed.to_flyte_idl()


def test_a_stock_task_is_read_with_all_of_its_job_config():
    from flytekit import StructuredDataset

    custom = {
        "ProjectID": "p-1",
        "Location": None,
        "Domain": "development",
        "maximumBytesBilled": "5",
        "destinationTable": TABLE,
        "priority": None,
    }

    made = parse_stock(through_struct(custom), stock_interface(results=StructuredDataset))

    assert made == JobRequest(
        project="p-1",
        configuration={
            "query": {"useLegacySql": False, "maximumBytesBilled": "5", "destinationTable": TABLE}
        },
        parameters={
            "n": {"type": "INT64"},
            "at": {"type": "DATETIME"},
            "ids": {"type": "ARRAY", "arrayType": {"type": "INT64"}},
        },
        parameter_order=["at", "ids", "n"],
        result="dataset",
    )
    assert parse_stock({"ProjectID": "p-1"}, stock_interface()).result == "none"


@dataclasses.dataclass
class Inner:
    x: float


@dataclasses.dataclass
class Line:
    id: int
    name: Optional[str]
    tags: list[str]
    inner: Inner
    parts: list[Inner]
    maybe: Optional[Inner] = None
    span: Annotated[str, BigQueryType("RANGE<DATE>")] = "[UNBOUNDED, UNBOUNDED)"


def test_a_schema_is_made_from_a_dataclass():
    assert schema_fields(Line) == [
        {"name": "id", "type": "INT64", "mode": "REQUIRED"},
        {"name": "name", "type": "STRING", "mode": "NULLABLE"},
        {"name": "tags", "type": "STRING", "mode": "REPEATED"},
        {"name": "inner", "type": "RECORD", "mode": "REQUIRED", "fields": [_X]},
        {"name": "parts", "type": "RECORD", "mode": "REPEATED", "fields": [_X]},
        {"name": "maybe", "type": "RECORD", "mode": "NULLABLE", "fields": [_X]},
        {"name": "span", "type": "RANGE", "mode": "REQUIRED", "rangeElementType": {"type": "DATE"}},
    ]
    assert list(row_fields(Line, "x")) == ["id", "name", "tags", "inner", "parts", "maybe", "span"]
    assert schema_fields([{"name": "a"}]) == [{"name": "a"}]
    with pytest.raises(InvalidConfig, match="schema: found"):
        schema_fields("a:INT64")


_X = {"name": "x", "type": "FLOAT64", "mode": "REQUIRED"}

LOAD = ("gs://b/*.csv", "d.t", "CSV")
LOADS: dict[str, tuple[Any, str, Any]] = {
    "sources": (["gs://b/1", "gs://b/2"], "sourceUris", ["gs://b/1", "gs://b/2"]),
    "destination": ("d.t", "destinationTable", TABLE),
    "format": ("PARQUET", "sourceFormat", "PARQUET"),
    "schema": (Inner, "schema", {"fields": [_X]}),
    "autodetect": (True, "autodetect", True),
    "create_disposition": ("CREATE_NEVER", "createDisposition", "CREATE_NEVER"),
    "write_disposition": ("WRITE_APPEND", "writeDisposition", "WRITE_APPEND"),
    "partitioning": (TimePartitioning("DAY", "a"), "timePartitioning", {"type": "DAY", "field": "a"}),
    "clustering": (["a"], "clustering", {"fields": ["a"]}),
    "schema_update_options": (["ALLOW_FIELD_RELAXATION"], "schemaUpdateOptions", ["ALLOW_FIELD_RELAXATION"]),
    "skip_leading_rows": (1, "skipLeadingRows", 1),
    "field_delimiter": (";", "fieldDelimiter", ";"),
    "quote": ("'", "quote", "'"),
    "null_marker": ("NA", "nullMarker", "NA"),
    "encoding": ("ISO-8859-1", "encoding", "ISO-8859-1"),
    "max_bad_records": (3, "maxBadRecords", 3),
    "ignore_unknown_values": (True, "ignoreUnknownValues", True),
    "allow_quoted_newlines": (True, "allowQuotedNewlines", True),
    "allow_jagged_rows": (True, "allowJaggedRows", True),
    "kms_key": (KEY, "destinationEncryptionConfiguration", {"kmsKeyName": KEY}),
    "options": ({"timeZone": "UTC"}, "timeZone", "UTC"),
}  # fmt: skip
EXTRACTS: dict[str, tuple[Any, str, Any]] = {
    "source": ("d.t", "sourceTable", TABLE),
    "destinations": ("gs://b/*", "destinationUris", ["gs://b/*"]),
    "format": ("AVRO", "destinationFormat", "AVRO"),
    "compression": ("GZIP", "compression", "GZIP"),
    "field_delimiter": ("|", "fieldDelimiter", "|"),
    "print_header": (False, "printHeader", False),
    "use_avro_logical_types": (True, "useAvroLogicalTypes", True),
    "options": ({"nativeGeographyExportEnabled": True}, "nativeGeographyExportEnabled", True),
}
COPIES: dict[str, tuple[Any, str, Any]] = {
    "sources": ("d.t", "sourceTables", [TABLE]),
    "destination": ("d.t", "destinationTable", TABLE),
    "operation": ("SNAPSHOT", "operationType", "SNAPSHOT"),
    "create_disposition": ("CREATE_NEVER", "createDisposition", "CREATE_NEVER"),
    "write_disposition": ("WRITE_EMPTY", "writeDisposition", "WRITE_EMPTY"),
    "kms_key": (KEY, "destinationEncryptionConfiguration", {"kmsKeyName": KEY}),
    "expires_at": ("2030-01-01T00:00:00Z", "destinationExpirationTime", "2030-01-01T00:00:00Z"),
    "options": ({"destinationExpirationTime": "x"}, "destinationExpirationTime", "x"),
}
JOBS: list[tuple[type, dict[str, Any], str, dict[str, tuple[Any, str, Any]]]] = [
    (LoadConfig, {"sources": LOAD[0], "destination": LOAD[1], "format": LOAD[2]}, "Load", LOADS),
    (ExtractConfig, {"source": "d.t", "destinations": "gs://b/*", "format": "CSV"}, "Extract", EXTRACTS),
    (CopyConfig, {"sources": "d.t", "destination": "d.t2"}, "TableCopy", COPIES),
]  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "base", "schema", "cases"), JOBS, ids=lambda v: getattr(v, "__name__", "")
)
def test_every_field_of_a_job_reaches_the_rest_api(
    cls: Any, base: dict[str, Any], schema: str, cases: dict[str, tuple[Any, str, Any]]
):
    assert {f.name for f in dataclasses.fields(cls)} == set(cases)
    for name, (value, api, rest) in cases.items():
        made = cls(**{**base, name: value}).rest("p-1")

        assert made[api] == rest
        assert unknown_fields(made, f"JobConfiguration{schema}") == []


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (LoadConfig, "LoadConfig.sources: missing"),
        (lambda: LoadConfig("b/x", "d.t", "CSV"), "a URI such as"),
        (lambda: LoadConfig([], "d.t", "CSV"), "at least one URI"),
        (lambda: LoadConfig("gs://b/x", "d.t", "TSV"), "one of 'CSV'"),
        (lambda: LoadConfig(*LOAD, schema=Inner, autodetect=True), "not both"),
        (lambda: LoadConfig(*LOAD, options={"sourceFormat": "CSV"}), r"options\['sourceFormat'\]"),
        (lambda: LoadConfig(*LOAD, skip_leadin_rows=1), "Did you mean 'skip_leading_rows'"),
        (lambda: ExtractConfig("d", "gs://b/*", "CSV"), "ExtractConfig.source: found 'd'"),
        (lambda: CopyConfig([], "d.t"), "at least one table"),
        (lambda: TimePartitioning("WEEK"), "one of 'DAY'"),
        (lambda: TimePartitioning(expiration_s=0).rest(), "seconds above 0"),
        (lambda: RangePartitioning("i", 5, 5, 1), "start below end"),
    ],
)
def test_mistake_in_a_job_is_told_at_construction(make: Any, says: str):
    with pytest.raises(InvalidConfig, match=says):
        make()


TYPES = {
    "day": {"type": "DATE"},
    "at": {"type": "TIMESTAMP"},
    "n": {"type": "INT64"},
    "s": {"type": "STRING"},
}
NOON = dt.datetime(2024, 5, 6, 12, tzinfo=dt.timezone.utc)
VALUES = {"day": NOON.replace(hour=0), "at": NOON, "n": 7, "s": FileRef("gs://bucket/in/*.csv")}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("gs://b/{inputs.day}/{inputs.n}", "gs://b/2024-05-06/7"),
        ("gs://b/{inputs.at:%Y/%m/%d/%H%M}", "gs://b/2024/05/06/1200"),
        ("{inputs.s}", "gs://bucket/in/*.csv"),
        ("gs://b/{not.inputs}", "gs://b/{not.inputs}"),
    ],
)
def test_values_are_written_into_uris(template: str, text: str):
    made = fill({"load": {"sourceUris": [template]}}, VALUES, TYPES, "p-1")

    assert made["load"]["sourceUris"] == [text]


def test_values_are_written_into_table_names():
    job = LoadConfig("gs://b/x", "d.t_{inputs.n}${inputs.day:%Y%m%d}", "CSV")
    made = fill({"load": job.rest("p-1"), "labels": {"a": "b"}}, VALUES, TYPES, "p-1")

    assert made["load"]["destinationTable"]["tableId"] == "t_7$20240506"
    assert made["labels"] == {"a": "b"}


def test_a_dataset_input_is_a_whole_table():
    job = CopyConfig(["{inputs.s}"], "d.t").rest("p-1")
    values = {"s": FileRef("bq://q-2:d.x")}

    made = fill({"copy": job}, values, {"s": {"type": "STRING"}}, "p-1")

    assert made["copy"]["sourceTables"] == [{"projectId": "q-2", "datasetId": "d", "tableId": "x"}]


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("gs://b/{inputs.s}", "*"),
        ("gs://b/{inputs.s}", "a\nb"),
        ("gs://b/{inputs.s}", ""),
        ("{inputs.s}", "gs://b/{inputs.n}"),
        ("gs://b/{inputs.s}", None),
    ],
)
def test_a_value_that_is_more_than_a_name_is_refused(template: str, value: Any):
    with pytest.raises(InvalidConfig, match="input 's': found"):
        fill({"load": {"sourceUris": [template]}}, {"s": value}, TYPES, "p-1")


def test_a_value_cannot_leave_its_table():
    job = {"copy": {"destinationTable": {"datasetId": "d", "tableId": "t_{inputs.s}"}}}

    with pytest.raises(InvalidConfig, match="found"):
        fill(job, {"s": "x.y"}, TYPES, "p-1")


@pytest.mark.parametrize(
    ("text", "types", "says"),
    [
        ("{inputs.dy}", {"day": TYPES["day"]}, "Did you mean 'day'"),
        ("x", {"day": TYPES["day"]}, "an input that the job uses"),
        ("{inputs.at}", {"at": TYPES["at"]}, r"Write \{inputs.at:%Y%m%d%H\}"),
        ("{inputs.n:%Y}", {"n": TYPES["n"]}, "for a date or datetime"),
        ("{inputs.day:%c}", {"day": TYPES["day"]}, "a format of"),
        ("{inputs.x}", {"x": {"type": "JSON"}}, "an input of type STRING"),
    ],
)
def test_placeholders_and_inputs_are_compared(text: str, types: dict[str, Any], says: str):
    with pytest.raises(InvalidConfig, match=says):
        check_placeholders({"load": {"sourceUris": [text]}}, types)
