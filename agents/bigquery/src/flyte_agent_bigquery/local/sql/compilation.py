"""A statement being translated: what it may use, and what it turned out to use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flyte_agent_bigquery.local.errors import BigQueryError, invalid_query

from .parsing import Node, Source
from .types import Type

TableKey = tuple[str, str, str]  # project, dataset, table


@dataclass(frozen=True)
class Value:
    """An expression in DuckDB's SQL with its BigQuery type.

    Attributes:
        literal: Text of a string literal or STRING parameter, which may stand for a date.
        written: Digits of a FLOAT64 literal, which may stand for a NUMERIC.
        unchecked: A FLOAT64 that may have overflowed: BigQuery makes that an error, DuckDB infinity.
        constant: Whether it names no column.
    """

    sql: str
    type: Type
    literal: str | None = None
    written: str | None = None
    unchecked: bool = False
    constant: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a relation."""

    name: str
    type: Type
    sql: str
    origin: tuple[TableKey, str] | None = None
    hidden: bool = False  # found by name, but not in any ``*``
    merged: bool = False  # by USING into another, which stands for it


@dataclass
class Relation:
    """One item of a FROM clause; ``path`` is a table's full name, ``value`` that of a value table."""

    name: str
    columns: list[Column]
    path: tuple[str, ...] = ()
    value: Column | None = None

    def column(self, name: str) -> list[Column]:
        """The columns of that name."""
        return [column for column in self.columns if column.name.lower() == name.lower()]

    def visible(self) -> list[Column]:
        """What ``*`` stands for."""
        return [column for column in self.columns if not column.hidden]


@dataclass
class TableInfo:
    """What the catalog knows of a table or view."""

    key: TableKey
    columns: list[tuple[str, Type]]
    sql: str  # what to put after FROM
    uses: dict[TableKey, set[str]] = field(default_factory=dict)  # of a view: what it reads
    is_view: bool = False


class Catalog(Protocol):
    """Where tables are looked up."""

    def table(self, key: TableKey) -> TableInfo:
        """Raises ``BigQueryError`` (``notFound``)."""
        ...

    def tables_like(self, key: TableKey) -> list[TableInfo]:
        """Tables of a dataset whose name starts with the key's, newest last."""
        ...


@dataclass
class Function:
    """A function made by ``CREATE TEMP FUNCTION``."""

    parameters: list[tuple[str, Type | None]]
    returns: Type | None
    body: Node


@dataclass
class Compilation:
    """One statement being translated: what it may use, and what it turned out to use."""

    source: Source
    catalog: Catalog
    project: str
    dataset: tuple[str, str] | None = None
    named: Mapping[str, Value] = field(default_factory=dict)
    positional: list[Value] = field(default_factory=list)
    variables: Mapping[str, Value] = field(default_factory=dict)
    temp_tables: Mapping[str, TableKey] = field(default_factory=dict)
    functions: Mapping[str, Function] = field(default_factory=dict)
    references: dict[TableKey, set[str]] = field(default_factory=dict)
    volatile: bool = False
    placeholders_before: int = 0  # "?" in earlier statements of a script
    used_parameters: set[str] = field(default_factory=set)
    _aliases: int = 0

    def alias(self) -> str:
        """A name nothing else has."""
        self._aliases += 1
        return f"t{self._aliases}"

    def at(self, node: Node | None) -> str:
        """Where a node stands."""
        return self.source.at(node)

    def error(self, message: str, node: Node | None) -> BigQueryError:
        """A mistake at a node."""
        return invalid_query(message, self.at(node))

    def key(self, parts: list[str], node: Node) -> TableKey:
        """The full name of a table. Raises ``BigQueryError`` when it has no dataset."""
        if len(parts) == 1 and (temporary := self.temp_tables.get(parts[0].lower())):
            return temporary
        if len(parts) == 1:
            if self.dataset is None:
                raise BigQueryError(
                    "invalid",
                    f'Table "{parts[0]}" must be qualified with a dataset (e.g. dataset.table).',
                )
            return (*self.dataset, parts[0])
        if len(parts) == 2:
            return (self.project, parts[0], parts[1])
        if len(parts) > 3:
            raise self.error(f"Invalid table name: {'.'.join(parts)}", node)
        return (parts[0], parts[1], parts[2])
