"""Calls of functions: made in the query, aggregates, special ones, and those of the tables."""

from __future__ import annotations

import difflib

from sqlglot import exp

from flyte_agent_bigquery.local.errors import BigQueryError, refusal

from .aggregate_calls import call_of
from .aggregates import AGGREGATES
from .casts import cast
from .compiling import coerce, compiles, fits, no_signature, raw_value, value
from .functions import signatures
from .parsing import Node
from .scope import Column, Function, Relation, Scope, Value
from .signatures import Signature, best
from .special import SPECIAL
from .types import NULL
from .windows import WINDOWS

_VOLATILE = ("RAND", "GENERATE_UUID")


@compiles(exp.Anonymous)
def _call(node: exp.Anonymous, scope: Scope) -> Value:
    name = str(node.this).upper()
    if function := scope.query.functions.get(name.lower()):
        return _defined(function, name, node, scope)
    if name in AGGREGATES:
        return AGGREGATES[name](call_of(name, node, scope, ""))
    if name in WINDOWS:
        raise scope.query.error(f"Window function {name} must have an OVER clause", node)
    if name in SPECIAL:
        return _special(name, node, scope)
    overloads = signatures().get(name)
    if overloads is None:
        raise _unknown(name, node, scope)
    if name in _VOLATILE:
        scope.query.volatile = True
    found = [value(argument, scope) for argument in node.expressions]
    call = best(overloads, found)
    if call is None:
        raise _no_overload(name, overloads, found, scope, node)
    return call


def _no_overload(
    name: str, overloads: list[Signature], found: list[Value], scope: Scope, node: Node
) -> BigQueryError:
    """BigQuery may have more overloads than these: they are named."""
    kinds = ", ".join("NULL" if item.type == NULL else str(item.type) for item in found)
    known = "; ".join(str(overload) for overload in overloads)
    message = f"No matching signature for function {name} for argument types: {kinds}"
    return scope.query.error(f"{message}; the local stand-in has {known}", node)


def _special(name: str, node: exp.Anonymous, scope: Scope) -> Value:
    minimum = 0 if name.startswith(("CURRENT_", "SESSION_")) or name == "STRUCT" else 1
    if len(node.expressions) < minimum:
        raise no_signature(f"function {name}", [], scope, node)
    try:
        return SPECIAL[name](node.expressions, scope, node)
    except IndexError:
        raise no_signature(f"function {name}", [], scope, node) from None


def _unknown(name: str, node: Node, scope: Scope) -> BigQueryError:
    """A name that is in no table may be a function of BigQuery, or of nobody."""
    known = [*signatures(), *AGGREGATES, *SPECIAL, *WINDOWS]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    hint = f"; did you mean {near[0]}?" if near else ""
    what = f"the function {name}, which is not among its {len(known)} verified ones{hint},"
    return refusal(what, at=scope.query.at(node))


def _defined(function: Function, name: str, node: exp.Anonymous, scope: Scope) -> Value:
    """A function of the query: its body, with the arguments in the place of the parameters."""
    if len(node.expressions) != len(function.parameters):
        message = f"Number of arguments does not match for function {name}; it takes {len(function.parameters)}"
        raise scope.query.error(message, node)
    columns = []
    for argument, (parameter, kind) in zip(node.expressions, function.parameters, strict=True):
        found = value(argument, scope)
        if kind is not None and not fits(found, kind):
            raise no_signature(f"function {name}", [found], scope, node)
        found = coerce(found, kind) if kind is not None else found
        columns.append(Column(parameter, found.type, f"({found.sql})"))
    inner = Scope(scope.query, [Relation("", columns)])
    body = value(function.body, inner)
    return cast(body, function.returns, scope, node) if function.returns is not None else body


@compiles(exp.SafeFunc)
def _safe(node: exp.SafeFunc, scope: Scope) -> Value:
    found = raw_value(node.this, scope)
    if isinstance(node.this, exp.Anonymous) and node.this.this.upper() in AGGREGATES:
        raise refusal("SAFE. with an aggregate function", at=scope.query.at(node))
    return Value(f"TRY({found.sql})", found.type)
