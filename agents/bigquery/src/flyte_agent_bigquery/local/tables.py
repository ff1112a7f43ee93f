"""Tables and datasets: what the catalog keeps of them, and how the REST API shows them.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/tables#Table
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Any

from .errors import BigQueryError
from .sql.scope import TableKey
from .sql.types import Type, from_schema, quote

# What a client may set.
TABLE_FIELDS = (
    "description", "friendlyName", "labels", "expirationTime", "timePartitioning",
    "rangePartitioning", "clustering", "requirePartitionFilter", "encryptionConfiguration", "view",
    "tableConstraints", "defaultCollation",
)  # fmt: skip
DATASET_FIELDS = (
    "description", "friendlyName", "labels", "access", "defaultTableExpirationMs",
    "defaultPartitionExpirationMs", "defaultEncryptionConfiguration", "isCaseInsensitive",
    "maxTimeTravelHours", "storageBillingModel", "defaultRoundingMode",
)  # fmt: skip


# Versions of tables; no two tables share one, also not a table and one that took its name later.
_versions = itertools.count(1)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


@dataclass
class Dataset:
    """A dataset; ``hidden`` ones hold the results of queries and the tables of sessions."""

    project: str
    name: str
    location: str
    resource: dict[str, Any] = field(default_factory=dict)
    created_ms: int = field(default_factory=now_ms)
    modified_ms: int = field(default_factory=now_ms)

    @property
    def hidden(self) -> bool:
        """Whether lists leave it out."""
        return self.name.startswith("_")

    @property
    def schema(self) -> str:
        """Its DuckDB schema."""
        return quote(f"{self.project}.{self.name}")

    def body(self, url: str) -> dict[str, Any]:
        """The REST resource."""
        return {
            "kind": "bigquery#dataset",
            "etag": f"{self.modified_ms}",
            "id": f"{self.project}:{self.name}",
            "selfLink": f"{url}/bigquery/v2/projects/{self.project}/datasets/{self.name}",
            "datasetReference": {"datasetId": self.name, "projectId": self.project},
            "creationTime": str(self.created_ms),
            "lastModifiedTime": str(self.modified_ms),
            "location": self.location,
            "type": "DEFAULT",
            **self.resource,
        }

    def listed(self) -> dict[str, Any]:
        """The entry of a list."""
        kept: dict[str, Any] = {
            name: self.resource[name]
            for name in ("labels", "friendlyName")
            if name in self.resource
        }
        return {
            "kind": "bigquery#dataset",
            "id": f"{self.project}:{self.name}",
            "datasetReference": {"datasetId": self.name, "projectId": self.project},
            "location": self.location,
            **kept,
        }


@dataclass
class Table:
    """A table or a view; ``version`` is another after every change of its rows or columns."""

    key: TableKey
    fields: list[dict[str, Any]]
    resource: dict[str, Any] = field(default_factory=dict)
    location: str = "US"
    created_ms: int = field(default_factory=now_ms)
    modified_ms: int = field(default_factory=now_ms)
    version: int = field(default_factory=lambda: next(_versions))
    rows: int | None = None
    sizes: dict[str, int] | None = None  # bytes by column

    @property
    def columns(self) -> list[tuple[str, Type]]:
        """Names and types."""
        return [(item["name"], from_schema(item)) for item in self.fields]

    @property
    def sql(self) -> str:
        """Its name in DuckDB."""
        return f"{quote(f'{self.key[0]}.{self.key[1]}')}.{quote(self.key[2])}"

    @property
    def is_view(self) -> bool:
        """Whether it is a query."""
        return "view" in self.resource

    @property
    def reference(self) -> dict[str, str]:
        """``TableReference``."""
        return reference(self.key)

    def has(self, name: str) -> bool:
        """Whether a column has that name."""
        return name.lower() in [item["name"].lower() for item in self.fields]

    def changed(self) -> None:
        """Its rows or columns are others now."""
        self.version = next(_versions)
        self.rows = self.sizes = None
        self.modified_ms = now_ms()

    def body(self, url: str) -> dict[str, Any]:
        """The REST resource; the catalog has measured the table before."""
        project, dataset, name = self.key
        link = f"{url}/bigquery/v2/projects/{project}/datasets/{dataset}/tables/{name}"
        body = {
            "kind": "bigquery#table",
            "etag": f"{self.modified_ms}.{self.version}",
            "id": f"{project}:{dataset}.{name}",
            "selfLink": link,
            "tableReference": self.reference,
            "schema": {"fields": self.fields},
            "creationTime": str(self.created_ms),
            "lastModifiedTime": str(self.modified_ms),
            "location": self.location,
            "type": "VIEW" if self.is_view else "TABLE",
            **self.resource,
        }
        if not self.is_view:
            size = str(sum((self.sizes or {}).values()))
            body |= {"numRows": str(self.rows or 0), "numBytes": size, "numLongTermBytes": "0"}
        return body

    def listed(self) -> dict[str, Any]:
        """The entry of a list."""
        project, dataset, name = self.key
        names = (
            "labels",
            "friendlyName",
            "timePartitioning",
            "rangePartitioning",
            "clustering",
            "expirationTime",
        )
        kept = {field: self.resource[field] for field in names if field in self.resource}
        return {
            "kind": "bigquery#table",
            "id": f"{project}:{dataset}.{name}",
            "tableReference": self.reference,
            "type": "VIEW" if self.is_view else "TABLE",
            "creationTime": str(self.created_ms),
            **kept,
        }


def reference(key: TableKey) -> dict[str, str]:
    """``TableReference``."""
    return {"projectId": key[0], "datasetId": key[1], "tableId": key[2]}


def key_of(body: dict[str, Any], project: str, field_name: str = "tableReference") -> TableKey:
    """The key in a ``TableReference``. Raises ``BigQueryError`` when a part is missing."""
    try:
        return (body.get("projectId") or project, body["datasetId"], body["tableId"])
    except KeyError as missing:
        message = f"Required parameter is missing: {field_name}.{missing.args[0]}"
        raise BigQueryError("required", message, location=missing.args[0]) from None
