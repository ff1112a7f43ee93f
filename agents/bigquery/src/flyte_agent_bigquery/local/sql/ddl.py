"""CREATE, ALTER and DROP: what they define, in the words of the REST API.

Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlglot import exp

from flyte_agent_bigquery.local.errors import refusal

from .compiling import describe
from .literals import type_of
from .options import options, partitioning, table_options
from .parsing import Node
from .scope import Compilation, Function, Scope, TableKey
from .translate import Output, output
from .types import ALIASES, from_name, to_schema

_REFUSED_PROPERTIES = {
    exp.MaterializedProperty: "materialized views",
    exp.ExternalProperty: "external tables",
    exp.LanguageProperty: "functions in other languages than SQL",
}


@dataclass
class Definition:
    """A DDL statement.

    Attributes:
        statement: BigQuery's ``statementType``.
        operation: ``CREATE``, ``REPLACE``, ``SKIP``-able with ``lenient``, ``DROP`` or ``ALTER``.
        key: Of the table; the table's part is empty for a dataset.
        resource: REST fields of the table or dataset: ``schema``, ``description``, ``timePartitioning``, …
        output: The query of ``CREATE TABLE … AS``.
        changes: Of ALTER, in order.
    """

    statement: str
    operation: str
    key: TableKey
    resource: dict[str, Any] = field(default_factory=dict)
    output: Output | None = None
    source: TableKey | None = None
    lenient: bool = False
    temporary: bool = False
    cascade: bool = False
    function: Function | None = None
    changes: list[tuple[str, Any]] = field(default_factory=list)


def definition(tree: Node, compilation: Compilation, text: str) -> Definition:
    """Translate a DDL statement; ``text`` is the statement as written. Raises ``BigQueryError``."""
    if isinstance(tree, exp.Create):
        return _create(tree, compilation, text)
    if isinstance(tree, exp.Drop):
        return _drop(tree, compilation)
    if isinstance(tree, exp.Alter):
        return _alter(tree, compilation)
    raise refusal(describe(tree), at=compilation.at(tree))


def _properties(tree: exp.Create, compilation: Compilation) -> list[Node]:
    found = tree.args["properties"].expressions if tree.args.get("properties") else []
    for item in found:
        if what := _REFUSED_PROPERTIES.get(type(item)):
            raise refusal(what, at=compilation.at(tree))
    return list(found)


def _create(tree: exp.Create, compilation: Compilation, text: str) -> Definition:
    properties = _properties(tree, compilation)
    kind = (tree.args.get("kind") or "").upper()
    makers = {
        "TABLE": _create_table,
        "VIEW": _create_view,
        "SCHEMA": _create_schema,
        "FUNCTION": _create_function,
    }
    if kind not in makers or tree.args.get("begin"):
        raise refusal(f"CREATE {kind}", at=compilation.at(tree))
    made = makers[kind](tree, properties, compilation, text)
    made.operation = "REPLACE" if tree.args.get("replace") else "CREATE"
    made.lenient = bool(tree.args.get("exists"))
    return made


def _key(node: Node, compilation: Compilation, *, temporary: bool = False) -> TableKey:
    parts = [part.name for part in node.parts]
    if temporary:
        return ("", "", parts[-1])
    return compilation.key(parts, node)


def _create_table(
    tree: exp.Create, properties: list[Node], compilation: Compilation, text: str
) -> Definition:
    schema = tree.this if isinstance(tree.this, exp.Schema) else None
    temporary = any(isinstance(item, exp.TemporaryProperty) for item in properties)
    key = _key(schema.this if schema is not None else tree.this, compilation, temporary=temporary)
    made = Definition(
        "CREATE_TABLE", "CREATE", key, table_options(properties, compilation), temporary=temporary
    )
    if clone := tree.args.get("clone"):
        made.source = _key(clone.this, compilation)
    if like := next((item for item in properties if isinstance(item, exp.LikeProperty)), None):
        info = compilation.catalog.table(_key(like.this, compilation))
        made.resource["schema"] = {"fields": [to_schema(name, kind) for name, kind in info.columns]}
    made.resource |= partitioning(properties, compilation)
    if schema is not None:
        made.resource["schema"] = {"fields": fields_of(schema.expressions, compilation)}
    if isinstance(tree.expression, exp.Query):
        made.statement = "CREATE_TABLE_AS_SELECT"
        made.output = output(tree.expression, compilation)
        if schema is not None:
            raise refusal(
                "CREATE TABLE with columns AS SELECT", "leave the columns out", compilation.at(tree)
            )
    elif "schema" not in made.resource and made.source is None:
        raise compilation.error("CREATE TABLE needs columns or a query", tree)
    return made


def fields_of(nodes: list[Node], compilation: Compilation) -> list[dict[str, Any]]:
    """Column definitions as ``TableFieldSchema``."""
    return [_field(node, compilation) for node in nodes if isinstance(node, exp.ColumnDef)]


def _field(node: exp.ColumnDef, compilation: Compilation) -> dict[str, Any]:
    kind = node.args["kind"]
    found = _typed_field(node.name, kind, compilation)
    for constraint in node.args.get("constraints") or []:
        what = constraint.kind if isinstance(constraint, exp.ColumnConstraint) else constraint
        if isinstance(what, exp.NotNullColumnConstraint):
            found["mode"] = "REQUIRED"
        elif isinstance(what, exp.Properties):
            found |= {
                k: v
                for k, v in options(what.expressions, compilation).items()
                if k == "description"
            }
        else:
            raise refusal(f"the constraint {describe(what)}", at=compilation.at(node))
    return found


def _typed_field(name: str, kind: exp.DataType, compilation: Compilation) -> dict[str, Any]:
    if kind.this == exp.DataType.Type.ARRAY:
        return {**_typed_field(name, kind.expressions[0], compilation), "mode": "REPEATED"}
    if kind.this == exp.DataType.Type.STRUCT:
        inner = fields_of(kind.expressions, compilation)
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": inner}
    if not kind.expressions:
        return to_schema(name, type_of(kind, Scope(compilation)))
    bare, numbers = kind.copy(), [str(item.this) for item in kind.expressions]
    bare.set("expressions", None)
    written = bare.sql("bigquery")
    stored = from_name(ALIASES.get(written.upper(), written))
    limits = ("maxLength",) if stored.kind in ("STRING", "BYTES") else ("precision", "scale")
    return {**to_schema(name, stored), **dict(zip(limits, numbers, strict=False))}


def _create_view(
    tree: exp.Create, properties: list[Node], compilation: Compilation, text: str
) -> Definition:
    made = output(tree.expression, compilation)
    fields = [to_schema(name, kind) for name, kind in made.columns]
    view = {"query": _after_as(text), "useLegacySql": False}
    resource = {
        **table_options(properties, compilation),
        "view": view,
        "schema": {"fields": fields},
    }
    return Definition("CREATE_VIEW", "CREATE", _key(tree.this, compilation), resource)


def _after_as(text: str) -> str:
    """The query of a CREATE VIEW, as it was written."""
    from .parsing import StandInBigQuery

    depth = 0
    for token in StandInBigQuery().tokenize(text):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.text.upper() == "AS":
            return text[token.end + 1 :].strip().rstrip(";").strip()
    raise AssertionError("a view without AS is not parsed")


def _dataset_key(node: Node, compilation: Compilation) -> TableKey:
    parts = [part for item in node.parts for part in item.name.split(".")]
    return (parts[0], parts[1], "") if len(parts) > 1 else (compilation.project, parts[0], "")


def _create_schema(
    tree: exp.Create, properties: list[Node], compilation: Compilation, text: str
) -> Definition:
    resource = table_options(properties, compilation)
    for item in properties:
        if isinstance(item, exp.LocationProperty):
            resource["location"] = item.this.name
    return Definition("CREATE_SCHEMA", "CREATE", _dataset_key(tree.this, compilation), resource)


def _create_function(
    tree: exp.Create, properties: list[Node], compilation: Compilation, text: str
) -> Definition:
    if not any(isinstance(item, exp.TemporaryProperty) for item in properties):
        raise refusal("CREATE FUNCTION", "use CREATE TEMP FUNCTION", compilation.at(tree))
    head, body = tree.this, tree.expression
    if not isinstance(body, exp.Paren | exp.Subquery):
        raise refusal("a function whose body is not (an expression)", at=compilation.at(tree))
    scope = Scope(compilation)
    parameters = []
    for item in head.expressions:
        kind = item.args["kind"]
        anything = kind.this == exp.DataType.Type.VARIANT
        parameters.append((item.name, None if anything else type_of(kind, scope)))
    returns = next((item for item in properties if isinstance(item, exp.ReturnsProperty)), None)
    gives = type_of(returns.this, scope) if returns is not None else None
    made = Function(parameters, gives, body)
    return Definition("CREATE_FUNCTION", "CREATE", ("", "", head.this.name), function=made)


def _drop(tree: exp.Drop, compilation: Compilation) -> Definition:
    kind = (tree.args.get("kind") or "").upper()
    node = (tree.args.get("tables") or [tree.this])[0]
    if kind == "SCHEMA":
        key = _dataset_key(node, compilation)
    elif kind in ("TABLE", "VIEW"):
        key = _key(node, compilation)
    else:
        raise refusal(f"DROP {kind}", at=compilation.at(tree))
    made = Definition(f"DROP_{kind}", "DROP", key, lenient=bool(tree.args.get("exists")))
    made.cascade = bool(tree.args.get("cascade"))
    return made


def _alter(tree: exp.Alter, compilation: Compilation) -> Definition:
    key = _key(tree.this, compilation)
    made = Definition("ALTER_TABLE", "ALTER", key, lenient=bool(tree.args.get("exists")))
    for action in tree.args["actions"]:
        made.changes.append(_alteration(action, compilation))
    return made


def _alteration(action: Node, compilation: Compilation) -> tuple[str, Any]:
    if isinstance(action, exp.ColumnDef):
        return "ADD", (_field(action, compilation), bool(action.args.get("exists")))
    if isinstance(action, exp.Drop) and (action.args.get("kind") or "").upper() == "COLUMN":
        node = (action.args.get("tables") or [action.this])[0]
        return "DROP", (node.name, bool(action.args.get("exists")))
    if isinstance(action, exp.AlterSet):
        found = [item for part in action.expressions for item in part.expressions]
        return "SET", options(found, compilation)
    raise refusal(f"ALTER TABLE … {describe(action)}", at=compilation.at(action))
