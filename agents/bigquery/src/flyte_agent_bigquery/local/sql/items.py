"""The SELECT list: names, ``*``, EXCEPT and REPLACE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import exp

from .compiling import value
from .literals import implied_name
from .names import part
from .parsing import Node
from .scope import Relation, Scope, Value


@dataclass(frozen=True)
class Item:
    """One column of a SELECT list; ``named`` when its name was given by AS."""

    name: str
    value: Value
    named: bool = False


def expand(node: exp.Select, scope: Scope) -> list[Item]:
    """The columns of a SELECT list, ``*`` written out."""
    items = [item for entry in node.expressions for item in _entry(entry, scope)]
    if not items:
        raise scope.query.error("SELECT list must not be empty", node)
    return items


def _entry(entry: Node, scope: Scope) -> Iterator[Item]:
    if isinstance(entry, exp.Star):
        if not scope.relations:
            raise scope.query.error("SELECT * must have a FROM clause", entry)
        yield from _starred(scope.use_everything(), entry, scope)
    elif isinstance(entry, exp.Column | exp.Dot) and isinstance(_last(entry), exp.Star):
        yield from _starred(_struct_or_table(entry, scope), _last(entry), scope)
    elif isinstance(entry, exp.Alias):
        yield Item(entry.alias, value(entry.this, scope), named=True)
    else:
        yield Item(implied_name(entry), value(entry, scope))


def _last(entry: Node) -> Node:
    return entry.expression if isinstance(entry, exp.Dot) else entry.this


def _struct_or_table(entry: Node, scope: Scope) -> list[tuple[str, Value]]:
    if isinstance(entry, exp.Dot):
        return _fields(value(entry.this, scope), scope, entry)
    path = list(entry.parts)[:-1]
    if (relation := _relation([name.name for name in path], scope)) is not None:
        return scope.use_all(relation)
    whole = path[-1] if len(path) == 1 else exp.Column(this=path[-1], table=path[-2])
    if len(path) > 2:
        whole.set("db", path[-3])
    found = value(exp.Column(this=whole) if isinstance(whole, exp.Identifier) else whole, scope)
    return _fields(found, scope, entry)


def _relation(names: list[str], scope: Scope) -> Relation | None:
    for level in scope.chain():
        if (found := level.relation(names)) is not None:
            return found
    return None


def _fields(found: Value, scope: Scope, node: Node) -> list[tuple[str, Value]]:
    if found.type.kind != "STRUCT":
        raise scope.query.error(f"Dot-star is not supported for type {found.type}", node)
    return [(name, part(found, place)) for place, (name, _) in enumerate(found.type.fields)]


def _starred(found: list[tuple[str, Value]], star: Node, scope: Scope) -> Iterator[Item]:
    """Apply ``EXCEPT (a)`` and ``REPLACE (expression AS b)``."""
    dropped = _names(star.args.get("except_") or star.args.get("except") or [])
    replaced = {item.alias.lower(): item for item in star.args.get("replace") or []}
    if star.args.get("rename"):
        raise scope.query.error("Syntax error: Unexpected keyword RENAME", star)
    known = {name.lower() for name, _ in found}
    for name, node in [*dropped.items(), *replaced.items()]:
        if name not in known:
            raise scope.query.error(f"Column {name} in SELECT * modifier does not exist", node)
    for name, item in found:
        if name.lower() in replaced:
            yield Item(name, value(replaced[name.lower()].this, scope))
        elif name.lower() not in dropped:
            yield Item(name, item)


def _names(nodes: list[Node]) -> dict[str, Node]:
    return {node.name.lower(): node for node in nodes}


def unique_names(items: list[Item]) -> list[str]:
    """What the columns are called in DuckDB: every name once, none empty."""
    seen: set[str] = set()
    names = []
    for place, item in enumerate(items):
        name = item.name or f"$col{place}"
        while name.lower() in seen:
            name += "$"
        seen.add(name.lower())
        names.append(name)
    return names
