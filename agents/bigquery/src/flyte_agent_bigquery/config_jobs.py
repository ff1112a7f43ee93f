"""Load, extract and copy jobs: what :class:`~flyte_agent_bigquery.BigQueryJobTask` runs beside SQL."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from flyte_agent_core.fields import invalid

from .config_fields import strict
from .config_parts import (
    Create,
    RangePartitioning,
    SchemaUpdate,
    TimePartitioning,
    Write,
    check_clustering,
)
from .config_schema import schema_fields
from .config_templates import table_template, uris

Format = Literal["CSV", "NEWLINE_DELIMITED_JSON", "PARQUET", "AVRO", "ORC"]


@strict()
@dataclass
class LoadConfig:
    """
    Load files into a table.

    URIs and the destination may hold ``{inputs.name}``; dates take a format:
    ``{inputs.day:%Y%m%d}``.

    Attributes:
        sources: One or several URIs; ``*`` stands for any part of an object's name.
        destination: ``project.dataset.table``; ``$20241231`` behind it names a partition.
        schema: A dataclass (its ``Optional`` fields are NULLABLE), or REST field schemas.
        options: Further fields of REST ``JobConfigurationLoad``, as the API spells them.
    """

    part: ClassVar[str] = "load"

    sources: str | list[str]
    destination: str
    format: Format
    schema: Any = None
    autodetect: bool | None = None
    create_disposition: Create | None = None
    write_disposition: Write | None = None
    partitioning: TimePartitioning | RangePartitioning | None = None
    clustering: list[str] | None = None
    schema_update_options: list[SchemaUpdate] | None = None
    skip_leading_rows: int | None = None
    field_delimiter: str | None = None
    quote: str | None = None
    null_marker: str | None = None
    encoding: str | None = None
    max_bad_records: int | None = None
    ignore_unknown_values: bool | None = None
    allow_quoted_newlines: bool | None = None
    allow_jagged_rows: bool | None = None
    kms_key: str | None = None
    options: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse what has to be given otherwise."""
        if self.schema is not None and self.autodetect:
            raise invalid(
                "LoadConfig.autodetect", self.autodetect, "schema or autodetect, not both"
            )
        check_clustering("LoadConfig.clustering", self.clustering)
        self.rest(None)

    def rest(self, project: str | None) -> dict[str, Any]:
        """Return the REST ``JobConfigurationLoad``."""
        table = table_template("LoadConfig.destination", self.destination, project)
        made = {
            "sourceUris": uris("LoadConfig.sources", self.sources),
            "destinationTable": table,
            "sourceFormat": self.format,
            **_named(self, _LOAD_FIELDS),
            **_tables(self.partitioning, self.clustering, self.kms_key),
        }
        if self.schema is not None:
            made["schema"] = {"fields": schema_fields(self.schema)}
        return _with_options("LoadConfig.options", made, self.options)


@strict()
@dataclass
class ExtractConfig:
    """
    Write a table to files.

    Attributes:
        source: ``project.dataset.table``, or ``{inputs.table}`` for a dataset input.
        destinations: One or several URIs; ``*`` lets BigQuery write more than one file.
        options: Further fields of REST ``JobConfigurationExtract``, as the API spells them.
    """

    part: ClassVar[str] = "extract"

    source: str
    destinations: str | list[str]
    format: Literal["CSV", "NEWLINE_DELIMITED_JSON", "PARQUET", "AVRO"]
    compression: Literal["NONE", "GZIP", "DEFLATE", "SNAPPY", "ZSTD"] | None = None
    field_delimiter: str | None = None
    print_header: bool | None = None
    use_avro_logical_types: bool | None = None
    options: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse names and URIs that cannot be."""
        self.rest(None)

    def rest(self, project: str | None) -> dict[str, Any]:
        """Return the REST ``JobConfigurationExtract``."""
        made = {
            "sourceTable": table_template("ExtractConfig.source", self.source, project),
            "destinationUris": uris("ExtractConfig.destinations", self.destinations),
            "destinationFormat": self.format,
            **_named(self, _EXTRACT_FIELDS),
        }
        return _with_options("ExtractConfig.options", made, self.options)


@strict()
@dataclass
class CopyConfig:
    """
    Copy, snapshot, clone or restore a table.

    Attributes:
        sources: One or several tables.
        destination: The table to write.
        expires_at: When a snapshot or clone is deleted, e.g. ``2030-01-01T00:00:00Z``.
        options: Further fields of REST ``JobConfigurationTableCopy``, as the API spells them.
    """

    part: ClassVar[str] = "copy"

    sources: str | list[str]
    destination: str
    operation: Literal["COPY", "SNAPSHOT", "RESTORE", "CLONE"] | None = None
    create_disposition: Create | None = None
    write_disposition: Write | None = None
    kms_key: str | None = None
    expires_at: str | None = None
    options: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse names and URIs that cannot be."""
        self.rest(None)

    def rest(self, project: str | None) -> dict[str, Any]:
        """Return the REST ``JobConfigurationTableCopy``."""
        listed = [self.sources] if isinstance(self.sources, str) else self.sources
        if not listed:
            raise invalid("CopyConfig.sources", listed, "at least one table")
        made = {
            "sourceTables": [table_template("CopyConfig.sources", t, project) for t in listed],
            "destinationTable": table_template("CopyConfig.destination", self.destination, project),
            **_named(self, _COPY_FIELDS),
            **_tables(None, None, self.kms_key),
        }
        return _with_options("CopyConfig.options", made, self.options)


JobConfig = LoadConfig | ExtractConfig | CopyConfig


def _named(config: Any, table: typing.Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that are set, by their names in the API."""
    return {api: v for name, api in table.items() if (v := getattr(config, name)) is not None}


def _tables(
    partitioning: TimePartitioning | RangePartitioning | None,
    clustering: list[str] | None,
    kms_key: str | None,
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if partitioning is not None:
        is_time = isinstance(partitioning, TimePartitioning)
        made["timePartitioning" if is_time else "rangePartitioning"] = partitioning.rest()
    if clustering is not None:
        made["clustering"] = {"fields": clustering}
    if kms_key is not None:
        made["destinationEncryptionConfiguration"] = {"kmsKeyName": kms_key}
    return made


def _with_options(
    where: str, made: dict[str, Any], options: dict[str, Any] | None
) -> dict[str, Any]:
    for name in options or {}:
        if name in made:
            raise invalid(
                f"{where}[{name!r}]", (options or {})[name], "it once", "Remove one of both."
            )
    return {**made, **(options or {})}


_LOAD_FIELDS = {
    "autodetect": "autodetect",
    "create_disposition": "createDisposition",
    "write_disposition": "writeDisposition",
    "schema_update_options": "schemaUpdateOptions",
    "skip_leading_rows": "skipLeadingRows",
    "field_delimiter": "fieldDelimiter",
    "quote": "quote",
    "null_marker": "nullMarker",
    "encoding": "encoding",
    "max_bad_records": "maxBadRecords",
    "ignore_unknown_values": "ignoreUnknownValues",
    "allow_quoted_newlines": "allowQuotedNewlines",
    "allow_jagged_rows": "allowJaggedRows",
}
_EXTRACT_FIELDS = {
    "compression": "compression",
    "field_delimiter": "fieldDelimiter",
    "print_header": "printHeader",
    "use_avro_logical_types": "useAvroLogicalTypes",
}
_COPY_FIELDS = {
    "operation": "operationType",
    "create_disposition": "createDisposition",
    "write_disposition": "writeDisposition",
    "expires_at": "destinationExpirationTime",
}
