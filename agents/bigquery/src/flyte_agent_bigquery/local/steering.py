"""DECLARE, SET and transactions: the statements that change what others share."""

from __future__ import annotations

from typing import Any

import duckdb
from sqlglot import exp

from .catalog import Catalog
from .engine import execute
from .errors import BigQueryError, refusal
from .frames import Frame
from .sql.casts import cast
from .sql.compiling import describe, typed, value
from .sql.literals import type_of
from .sql.parsing import Node
from .sql.scope import Compilation, Scope, Value
from .sql.types import NULL, Type, physical, text

STEERING = (exp.Declare, exp.Set, exp.Transaction, exp.Commit, exp.Rollback)


class Steering:
    """DECLARE, SET and transactions: the statements that change the frame."""

    def __init__(self, catalog: Catalog, cursor: duckdb.DuckDBPyConnection, frame: Frame) -> None:
        self._catalog = catalog
        self._cursor = cursor
        self._frame = frame

    def run(self, tree: Node, compilation: Compilation) -> None:
        """Run one of them."""
        if isinstance(tree, exp.Declare):
            self._declare(tree, compilation)
        elif isinstance(tree, exp.Set):
            for item in tree.expressions:
                self._set(item.this, compilation)
        else:
            self._transaction(tree, compilation)

    def _declare(self, tree: exp.Declare, compilation: Compilation) -> None:
        scope = Scope(compilation)
        for item in tree.expressions:
            kind = type_of(item.args["kind"], scope) if item.args.get("kind") else None
            default = item.args.get("default")
            given = isinstance(default, exp.Expression)
            found = self._computed(default, kind, scope) if given else None
            names = item.this if isinstance(item.this, list) else [item.this]
            for name in names:
                self._frame.variables[name.name.lower()] = found or _null(kind)

    def _set(self, pair: exp.EQ, compilation: Compilation) -> None:
        name = pair.this.name.lower()
        if not isinstance(pair.this, exp.Column) or pair.this.table:
            raise refusal(
                f"SET {describe(pair.this)}", "set one variable at a time", compilation.at(pair)
            )
        known = self._frame.variables.get(name)
        if known is None:
            raise compilation.error(f"Undeclared variable: {pair.this.name}", pair)
        self._frame.variables[name] = self._computed(
            pair.expression, known.type, Scope(compilation)
        )

    def _computed(self, node: Node, kind: Type | None, scope: Scope) -> Value:
        """The value of an expression as a constant: computed once, kept in a hidden table of one row."""
        found = typed(value(node, scope))
        if kind is not None and found.type != kind:
            found = cast(found, kind, scope, node)
        if found.type.kind == "STRUCT" or (
            found.type.element and found.type.element.kind == "STRUCT"
        ):
            raise refusal(f"a variable of type {found.type}", at=scope.query.at(node))
        stored = physical(found.type)
        rows = execute(self._cursor, f"SELECT CAST(CAST({found.sql} AS {stored}) AS VARCHAR)")
        return _constant(rows[0][0], found.type)

    def _transaction(self, tree: Node, compilation: Compilation) -> None:
        begins = isinstance(tree, exp.Transaction)
        if begins == self._frame.in_transaction:
            problem = (
                "There is already an active transaction"
                if begins
                else "There is no active transaction"
            )
            raise compilation.error(problem, tree)
        words = {
            exp.Transaction: "BEGIN TRANSACTION",
            exp.Commit: "COMMIT",
            exp.Rollback: "ROLLBACK",
        }
        execute(self._cursor, words[type(tree)])
        self._frame.in_transaction = begins
        if not begins:
            self._settle()

    def _settle(self) -> None:
        """The catalog follows what the database did."""
        for key in self._frame.changed:
            if (table := self._catalog.find(key)) is not None:
                self._catalog.touch(table)
        self._frame.changed = []


def _null(kind: Type | None) -> Value:
    if kind is None:
        raise BigQueryError("invalidQuery", "DECLARE needs a type or a default")
    return Value(f"CAST(NULL AS {physical(kind)})", kind, constant=True)


def _constant(written: Any, kind: Type) -> Value:
    if written is None or kind == NULL:
        return _null(kind)
    return Value(f"CAST({text(written)} AS {physical(kind)})", kind, constant=True)
