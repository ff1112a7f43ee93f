"""``OPTIONS (…)``, ``PARTITION BY`` and ``CLUSTER BY`` as REST fields."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import describe
from .parsing import Node
from .scope import Compilation

_NAMES = {
    "description": "description",
    "friendly_name": "friendlyName",
    "labels": "labels",
    "expiration_timestamp": "expirationTime",
    "require_partition_filter": "requirePartitionFilter",
    "default_table_expiration_days": "defaultTableExpirationMs",
    "partition_expiration_days": "expirationMs",
    "location": "location",
    "kms_key_name": "kmsKeyName",
}
_DAY_MS = 86_400_000
_TRUNCATED = ("DATE_TRUNC", "TIMESTAMP_TRUNC", "DATETIME_TRUNC")


def options(nodes: Sequence[Node], compilation: Compilation) -> dict[str, Any]:
    """The options by their REST names. Raises ``BigQueryError`` for one this server does not keep."""
    found: dict[str, Any] = {}
    for node in nodes:
        if type(node) is not exp.Property:  # partitions and clusters are subclasses
            continue
        name = node.name.lower()
        if name not in _NAMES:
            raise refusal(f"the option {name}", "leave it out", compilation.at(node))
        found[_NAMES[name]] = _constant(name, node.args["value"], compilation)
    return found


def _constant(name: str, node: Node, compilation: Compilation) -> Any:
    if name == "labels" and isinstance(node, exp.Array):
        return {pair.expressions[0].name: pair.expressions[1].name for pair in node.expressions}
    if isinstance(node, exp.Cast):  # TIMESTAMP '…'
        moment = datetime.fromisoformat(node.this.name.replace(" UTC", "+00:00"))
        return str(int(moment.timestamp() * 1000))
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Literal):
        return str(round(float(node.this) * _DAY_MS)) if name.endswith("_days") else node.this
    if isinstance(node, exp.Null):
        return None
    raise refusal(f"the option {name} = {describe(node)}", "use a constant", compilation.at(node))


def table_options(nodes: Sequence[Node], compilation: Compilation) -> dict[str, Any]:
    """Options of a table or dataset; those of its partitions are in :func:`partitioning`."""
    found = options(nodes, compilation)
    found.pop("expirationMs", None)
    if (key := found.pop("kmsKeyName", None)) is not None:
        found["encryptionConfiguration"] = {"kmsKeyName": key}
    return found


def partitioning(nodes: Sequence[Node], compilation: Compilation) -> dict[str, Any]:
    """``timePartitioning``, ``rangePartitioning`` and ``clustering``."""
    found: dict[str, Any] = {}
    expiration = options(nodes, compilation).get("expirationMs")
    for node in nodes:
        if isinstance(node, exp.PartitionedByProperty):
            found |= _partition(node.this, compilation)
        if isinstance(node, exp.ClusterProperty):
            found["clustering"] = {"fields": [item.name for item in node.expressions]}
    if expiration and "timePartitioning" in found:
        found["timePartitioning"]["expirationMs"] = expiration
    return found


def _partition(node: Node, compilation: Compilation) -> dict[str, Any]:
    if isinstance(node, exp.Identifier | exp.Column) and not node.name.upper().startswith(
        "_PARTITION"
    ):
        return {"timePartitioning": {"type": "DAY", "field": node.name}}
    if isinstance(node, exp.Anonymous):
        name, arguments = node.this.upper(), node.expressions
        if name == "DATE" and len(arguments) == 1:
            return {"timePartitioning": {"type": "DAY", "field": arguments[0].name}}
        if name in _TRUNCATED and len(arguments) == 2:
            return {
                "timePartitioning": {"type": arguments[1].name.upper(), "field": arguments[0].name}
            }
        if name == "RANGE_BUCKET":
            start, end, interval = (item.name for item in arguments[1].expressions)
            limits = {"start": start, "end": end, "interval": interval}
            return {"rangePartitioning": {"field": arguments[0].name, "range": limits}}
    raise refusal(f"PARTITION BY {describe(node)}", "partition by a column", compilation.at(node))
