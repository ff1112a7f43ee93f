"""What names mean, from the inside of a query out."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from sqlglot import exp

from .compilation import (
    Catalog,
    Column,
    Compilation,
    Function,
    Relation,
    TableInfo,
    TableKey,
    Value,
)
from .parsing import Node
from .types import Type, quote

__all__ = [
    "Catalog", "Column", "Compilation", "Function", "Relation", "Scope", "TableInfo", "TableKey", "Value",
]  # fmt: skip


@dataclass
class Scope:
    """What an expression can name, from the inside out."""

    query: Compilation
    relations: list[Relation] = field(default_factory=list)
    parent: Scope | None = None
    aliases: dict[str, Value] = field(default_factory=dict)  # of the SELECT list
    ctes: dict[str, Relation] = field(default_factory=dict)
    windows: dict[str, exp.Window] = field(default_factory=dict)

    def cte(self, name: str) -> Relation | None:
        """The WITH query of that name."""
        found = (scope.ctes.get(name.lower()) for scope in self.chain())
        return next((relation for relation in found if relation is not None), None)

    def without_aliases(self) -> Scope:
        """The same FROM clause, seen from inside an aggregate."""
        return replace(self, aliases={})

    def chain(self) -> Iterator[Scope]:
        """This scope and those around it."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent

    def knows(self, name: str) -> bool:
        """Whether a column has that name."""
        return any(relation.column(name) for scope in self.chain() for relation in scope.relations)

    def find(self, path: list[Node]) -> tuple[Value, int]:
        """What a dotted path starts with: a value, and how many parts it took.

        Raises ``BigQueryError`` for a name nobody knows, or that means two things.
        """
        names = [part.name for part in path]
        for scope in self.chain():
            if (found := scope.find_here(names, path)) is not None:
                return found
        if len(names) == 1 and (variable := self.query.variables.get(names[0].lower())):
            return variable, 1
        raise self.query.error(f"Unrecognized name: {names[0]}{self._suggest(names[0])}", path[0])

    def find_here(self, names: list[str], path: list[Node]) -> tuple[Value, int] | None:
        """As :meth:`find`, in this scope only; ``None`` for a name it does not know."""
        if alias := self.aliases.get(names[0].lower()):
            return alias, 1
        for length in range(len(names) - 1, 0, -1):
            relation = self.relation(names[:length])
            column = relation and self._one_column(names[length], [relation], path[length])
            if column:
                return self._use(column), length + 1
        if (column := self._one_column(names[0], self.relations, path[0])) is not None:
            return self._use(column), 1
        relation = self.relation(names[:1])
        if relation is not None and relation.value is not None:
            return self._use(relation.value), 1
        return None if relation is None else self._row(relation, names, path)

    def _row(self, relation: Relation, names: list[str], path: list[Node]) -> tuple[Value, int]:
        """A relation's name where a value is wanted: its row as a struct."""
        if len(names) > 1:
            message = f"Name {names[1]} not found inside {names[0]}"
            raise self.query.error(message, path[1])
        columns = [self._use(column) for column in relation.visible()]
        kind = Type("STRUCT", None, tuple((c.name, c.type) for c in relation.visible()))
        fields = ", ".join(
            f"{quote(c.name)} := {value.sql}"
            for c, value in zip(relation.visible(), columns, strict=True)
        )
        return Value(f"struct_pack({fields})", kind), 1

    def relation(self, names: list[str]) -> Relation | None:
        """The relation of a name, or of the end of a table's full name."""
        lowered = [name.lower() for name in names]
        for relation in self.relations:
            if len(names) == 1 and relation.name.lower() == lowered[0]:
                return relation
            full = [part.lower() for part in relation.path]
            if len(names) > 1 and full[-len(names) :] == lowered:
                return relation
        return None

    def _one_column(self, name: str, relations: list[Relation], node: Node) -> Column | None:
        found = [column for relation in relations for column in relation.column(name)]
        shown = [c for c in found if not c.hidden and not c.merged] or found[:1]
        if len(shown) > 1:
            raise self.query.error(f"Column name {name} is ambiguous", node)
        return shown[0] if shown else None

    def _use(self, column: Column) -> Value:
        if column.origin is not None:
            self.query.references.setdefault(column.origin[0], set()).add(column.origin[1])
        return Value(column.sql, column.type)

    def use_all(self, relation: Relation) -> list[tuple[str, Value]]:
        """Every visible column, as ``table.*`` has them."""
        return [(column.name, self._use(column)) for column in relation.visible()]

    def use_everything(self) -> list[tuple[str, Value]]:
        """The columns of all relations, as ``*`` has them: of those merged by USING, one."""
        columns = [c for relation in self.relations for c in relation.visible() if not c.merged]
        return [(column.name, self._use(column)) for column in columns]

    def _suggest(self, name: str) -> str:
        known = {c.name for scope in self.chain() for r in scope.relations for c in r.visible()}
        known |= {r.name for scope in self.chain() for r in scope.relations}
        near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.7)
        return f"; Did you mean {near[0]}?" if near else ""
