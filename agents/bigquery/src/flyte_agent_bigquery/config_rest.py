"""The fields of :class:`BigQueryConfig` in the words of the REST API, merged with a raw configuration."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flyte_agent_core.fields import invalid

from . import config_names as names
from .config import check_job
from .config_parts import RangePartitioning, TimePartitioning, milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable

    from .config_author import BigQueryConfig


def rest_configuration(config: BigQueryConfig, part: str) -> dict[str, Any]:
    """
    Return the REST ``JobConfiguration`` of ``config``: the raw one with every field put in.

    Args:
        config: The author's configuration.
        part: Kind of the job; only queries take the fields that are about queries.

    Raises:
        InvalidConfig: A field contradicts the raw configuration, or is not for such jobs.
    """
    made = raw_configuration(config.job_config, part)
    for name, path, encode in REST_FIELDS:
        given = getattr(config, name)
        value = None if given is None or given == {} else encode(config, given)
        if value is None:
            continue
        if path.startswith("query.") and part != "query":
            expected = f"nothing: it is about queries, and this is a {part} job"
            raise invalid(f"BigQueryConfig.{name}", given, expected, "Set it in the job itself.")
        _put(made, path, value, f"BigQueryConfig.{name}")
    _check_connection(made.get("query") or {})
    names.check_labels("labels", made.get("labels") or {})
    return made


def raw_configuration(raw: Any, part: str) -> dict[str, Any]:
    """
    Return a raw job configuration as a REST dict of its own.

    Args:
        raw: ``None``, a REST dict, or an object with ``to_api_repr`` such as ``QueryJobConfig``.
        part: Kind of job it must be for.

    Raises:
        InvalidConfig: It is none of these, or for another kind of job.
    """
    where = "BigQueryConfig.job_config"
    found = raw.to_api_repr() if callable(getattr(raw, "to_api_repr", None)) else raw
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        raise invalid(where, found, "a REST JobConfiguration dict, or a QueryJobConfig")
    try:
        made: dict[str, Any] = json.loads(json.dumps(dict(found), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise invalid(where, found, "values that JSON has", f"{error}.") from error
    check_job(where, made, part)
    return made


def _put(made: dict[str, Any], path: str, value: Any, where: str) -> None:
    """Set ``value`` at a dotted path; lists and dicts are added to what a raw configuration has."""
    *parents, last = path.split(".")
    for parent in parents:
        made = made.setdefault(parent, {})
    raw = made.get(last)
    if isinstance(value, list) and isinstance(raw, list):
        made[last] = [*raw, *(item for item in value if item not in raw)]
    elif last == "labels" and isinstance(raw, dict):
        for key, label in value.items():
            _put(raw, key, label, f"{where}[{key!r}]")
    elif raw is None:
        made[last] = value
    elif raw != value and str(raw) != str(value):
        expected = f"one {where.rpartition('.')[2]}, but job_config has another: {raw!r}"
        raise invalid(where, value, expected, "Remove one of both.")


def _check_connection(query: Mapping[str, Any]) -> None:
    keys = [str(item.get("key")) for item in query.get("connectionProperties") or []]
    twice = [key for key in keys if keys.count(key) > 1]
    if twice:
        raise invalid("connection_properties", twice[0], "each key once", "Remove one of both.")


def _rest_table(config: BigQueryConfig, value: str) -> dict[str, str]:
    return names.table_reference("BigQueryConfig.destination", value, config.known_project)


def _rest_dataset(config: BigQueryConfig, value: str) -> dict[str, str]:
    return names.dataset_reference("BigQueryConfig.default_dataset", value, config.known_project)


def _rest_session(config: BigQueryConfig, value: str) -> list[dict[str, str]]:
    return [{"key": "session_id", "value": value}]


def _rest_udfs(config: BigQueryConfig, value: list[str]) -> list[dict[str, str]]:
    return [{"resourceUri" if udf.startswith("gs://") else "inlineCode": udf} for udf in value]


def _same(config: BigQueryConfig, value: Any) -> Any:
    return copy.deepcopy(value)


def _int64(config: BigQueryConfig, value: int) -> str:
    return str(value)


def _ms(config: BigQueryConfig, value: float) -> str:
    return milliseconds("BigQueryConfig, a timeout", value)


def _rest_time(config: BigQueryConfig, value: Any) -> dict[str, Any] | None:
    return value.rest() if isinstance(value, TimePartitioning) else None


def _rest_range(config: BigQueryConfig, value: Any) -> dict[str, Any] | None:
    return value.rest() if isinstance(value, RangePartitioning) else None


def _rest_properties(config: BigQueryConfig, value: dict[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": text} for key, text in value.items()]


def _rest_key(config: BigQueryConfig, value: str) -> dict[str, str]:
    return {"kmsKeyName": value}


def _rest_clustering(config: BigQueryConfig, value: list[str]) -> dict[str, list[str]]:
    return {"fields": list(value)}


REST_FIELDS: tuple[tuple[str, str, Callable[[BigQueryConfig, Any], Any]], ...] = (
    ("destination", "query.destinationTable", _rest_table),
    ("create_disposition", "query.createDisposition", _same),
    ("write_disposition", "query.writeDisposition", _same),
    ("partitioning", "query.timePartitioning", _rest_time),
    ("partitioning", "query.rangePartitioning", _rest_range),
    ("clustering", "query.clustering", _rest_clustering),
    ("schema_update_options", "query.schemaUpdateOptions", _same),
    ("default_dataset", "query.defaultDataset", _rest_dataset),
    ("labels", "labels", _same),
    ("priority", "query.priority", _same),
    ("maximum_bytes_billed", "query.maximumBytesBilled", _int64),
    ("use_query_cache", "query.useQueryCache", _same),
    ("create_session", "query.createSession", _same),
    ("session_id", "query.connectionProperties", _rest_session),
    ("connection_properties", "query.connectionProperties", _rest_properties),
    ("kms_key", "query.destinationEncryptionConfiguration", _rest_key),
    ("udfs", "query.userDefinedFunctionResources", _rest_udfs),
    ("table_definitions", "query.tableDefinitions", _same),
    ("continuous", "query.continuous", _same),
    ("write_incremental_results", "query.writeIncrementalResults", _same),
    ("statement_timeout_s", "query.scriptOptions.statementTimeoutMs", _ms),
    ("statement_max_bytes", "query.scriptOptions.statementByteBudget", _int64),
    ("key_result_statement", "query.scriptOptions.keyResultStatement", _same),
    ("reservation", "reservation", _same),
    ("job_timeout_s", "jobTimeoutMs", _ms),
    ("max_slots", "maxSlots", _same),
)
"""Each field, its place in the REST ``JobConfiguration``, and how it is written there."""
