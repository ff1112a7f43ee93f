"""One statement of a query job: translated, weighed, run."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlglot import exp

from . import destinations
from .catalog import Catalog
from .definitions import Definer
from .destinations import result_table
from .engine import execute, transaction
from .errors import invalid_query, refusal
from .frames import Frame
from .sql.compiling import describe
from .sql.ddl import Definition, definition
from .sql.dml import TWICE, Change, change
from .sql.parsing import Node
from .sql.scope import Compilation, TableKey
from .sql.translate import Output, output
from .stats import Usage, measure
from .tables import reference

CHANGES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.TruncateTable)
DEFINITIONS = (exp.Create, exp.Drop, exp.Alter)


@dataclass
class Plan:
    """A translated statement: one of its parts is set."""

    usage: Usage
    compilation: Compilation
    query: Output | None = None
    change: Change | None = None
    definition: Definition | None = None


def plan(
    tree: Node,
    compilation: Compilation,
    catalog: Catalog,
    written: str,
    cursor: duckdb.DuckDBPyConnection | None = None,
) -> Plan:
    """Translate a statement and weigh what it reads. Raises ``BigQueryError``."""
    made = _translated(tree, compilation, written)
    made.usage.references = compilation.references
    measure(made.usage, catalog, cursor)
    return made


def _translated(tree: Node, compilation: Compilation, written: str) -> Plan:
    if isinstance(tree, exp.Query):
        query = output(tree, compilation)
        return Plan(Usage("SELECT", columns=query.columns), compilation, query=query)
    if isinstance(tree, CHANGES):
        found = change(tree, compilation)
        return Plan(Usage(found.kind), compilation, change=found)
    if isinstance(tree, DEFINITIONS):
        made = definition(tree, compilation, written)
        return Plan(Usage(made.statement), compilation, definition=made)
    if (
        isinstance(tree, exp.Column | exp.Alias | exp.Literal | exp.Dot)
        and tree.name.upper() != "ASSERT"
    ):
        word = next(tree.find_all(exp.Identifier), tree).name
        raise compilation.error(f'Syntax error: Unexpected identifier "{word}"', tree)
    raise refusal(f"the statement {describe(tree)}", at=compilation.at(tree))


class Runner:
    """Runs plans on one connection.

    Attributes:
        target: The table a plan wrote, or the result of its query.
    """

    def __init__(
        self, catalog: Catalog, cursor: duckdb.DuckDBPyConnection, frame: Frame, project: str
    ) -> None:
        self._catalog = catalog
        self._cursor = cursor
        self._frame = frame
        self._project = project
        self.target: TableKey | None = None

    def run(self, found: Plan, config: dict[str, Any]) -> None:
        """Run a statement; ``config`` is ``configuration.query``."""
        if found.query is not None:
            self._query(found, found.query, config)
        elif found.change is not None:
            self._change(found, found.change)
        elif found.definition is not None:
            definer = Definer(self._catalog, self._cursor, self._frame, self._project)
            found.usage.more |= definer.run(found.definition)
            self.target = definer.target

    # -- queries --------------------------------------------------------------------------------------

    def _query(self, found: Plan, query: Output, config: dict[str, Any]) -> None:
        made = result_table(self._catalog, self._cursor, self._frame, self._project, query)
        seen = None if self._frame.in_transaction else self._cursor
        found.usage.rows_written = self._catalog.measure(made, seen).rows or 0
        wanted = config.get("destinationTable")
        if wanted is None or wanted.get("datasetId", "").startswith("_"):
            self.target = made.key
            config["destinationTable"] = reference(made.key)
            return
        target = (wanted.get("projectId") or self._project, wanted["datasetId"], wanted["tableId"])
        with self._catalog.writing(target):
            destinations.write(self._catalog, self._cursor, made, target, config)
        self._catalog.drop_table(made.key, cursor=self._cursor)
        self.target = target

    # -- changes --------------------------------------------------------------------------------------

    def _change(self, found: Plan, wanted: Change) -> None:
        counts = {"inserted": 0, "updated": 0, "deleted": 0}
        open_one = self._frame.in_transaction
        own = nullcontext() if open_one else transaction(self._cursor)
        with self._catalog.writing(wanted.target), own:
            self._steps(wanted, counts)
        table = self._catalog.get(wanted.target)
        self._catalog.touch(table)
        if self._frame.in_transaction:
            self._frame.changed.append(wanted.target)
        self.target = wanted.target
        affected = sum(counts.values())
        found.usage.rows_written = affected
        found.usage.more |= {
            "numDmlAffectedRows": str(affected),
            "dmlStats": {
                "insertedRowCount": str(counts["inserted"]),
                "updatedRowCount": str(counts["updated"]),
                "deletedRowCount": str(counts["deleted"]),
            },
        }

    def _steps(self, wanted: Change, counts: dict[str, int]) -> None:
        for step in wanted.steps:
            rows = execute(self._cursor, step.sql)
            if step.must_be_empty and rows:
                raise invalid_query(TWICE)
            if step.counts:
                counts[step.counts] += rows[0][0] if rows else 0
