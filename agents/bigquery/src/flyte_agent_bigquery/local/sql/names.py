"""Names with dots, fields of structs and JSON, elements of arrays."""

from __future__ import annotations

from sqlglot import exp

from .compiling import compiles, fits, no_signature, value
from .parsing import Node
from .scope import Scope, Value
from .types import INT64, JSON, stored_name, text

# Functions that are called without parentheses.
_NOW = ("CURRENT_DATE", "CURRENT_DATETIME", "CURRENT_TIME", "CURRENT_TIMESTAMP")


@compiles(exp.Column, exp.Identifier)
def _column(node: Node, scope: Scope) -> Value:
    path = list(node.parts) if isinstance(node, exp.Column) else [node]
    if len(path) == 1 and path[0].name.upper() in _NOW and not scope.knows(path[0].name):
        return value(exp.Anonymous(this=path[0].name), scope)
    return _follow(path, scope)


@compiles(exp.Dot)
def _dot(node: exp.Dot, scope: Scope) -> Value:
    names: list[Node] = []
    base: Node = node
    while isinstance(base, exp.Dot):
        names.insert(0, base.expression)
        base = base.this
    if isinstance(base, exp.Column):
        return _follow([*base.parts, *names], scope)
    found = value(base, scope)
    for name in names:
        found = field(found, name, scope)
    return found


def _follow(path: list[Node], scope: Scope) -> Value:
    found, used = scope.find(path)
    for name in path[used:]:
        found = field(found, name, scope)
    return found


def field(found: Value, name: Node, scope: Scope) -> Value:
    """``value.name`` of a STRUCT or a JSON."""
    if found.type == JSON:
        return Value(f"json_extract({found.sql}, {text('$.' + json_key(name.name))})", JSON)
    if found.type.kind != "STRUCT":
        message = f"Cannot access field {name.name} on a value with type {found.type}"
        raise scope.query.error(message, name)
    places = [
        place
        for place, (field_name, _) in enumerate(found.type.fields)
        if field_name.lower() == name.name.lower()
    ]
    if len(places) != 1:
        problem = "does not exist in" if not places else "is ambiguous in"
        raise scope.query.error(f"Field name {name.name} {problem} {found.type}", name)
    return part(found, places[0])


def part(found: Value, place: int) -> Value:
    """The field of a struct at a place, from 0."""
    name = stored_name(found.type, place)
    return Value(f"struct_extract({found.sql}, {text(name)})", found.type.fields[place][1])


def json_key(name: str) -> str:
    """A key in DuckDB's JSON paths."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


@compiles(exp.Bracket)
def _element(node: exp.Bracket, scope: Scope) -> Value:
    found = value(node.this, scope)
    if len(node.expressions) != 1:
        raise scope.query.error("An array is indexed by one number", node)
    index = value(node.expressions[0], scope)
    if found.type == JSON:
        return _json_element(found, index, scope, node)
    if found.type.element is None or not fits(index, INT64):
        raise no_signature("operator []", [found, index], scope, node)
    # A bare number counts from 0, as OFFSET does.
    first = node.args.get("offset") or 0
    place = f"CAST({index.sql} AS BIGINT) - {first}"
    macro = "bq_element_safe" if node.args.get("safe") else "bq_element"
    return Value(f"{macro}({found.sql}, {place})", found.type.element)


def _json_element(found: Value, index: Value, scope: Scope, node: Node) -> Value:
    if index.type == INT64:
        path = f"'$[' || {index.sql} || ']'"
    elif index.literal is not None:
        path = text("$." + json_key(index.literal))
    else:
        raise no_signature("operator []", [found, index], scope, node)
    return Value(f"json_extract({found.sql}, {path})", JSON)
