"""A call of an aggregate, its modifiers taken apart: DISTINCT, IGNORE NULLS, ORDER BY, LIMIT, HAVING."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlglot import exp

from .compiling import coerce, fits, no_signature, typed, value
from .ordering import order_by
from .parsing import Node
from .scope import Scope, Value
from .types import INT64, Type


@dataclass
class Call:
    """An aggregate call, its modifiers taken apart; ``over`` is the window's SQL, empty without one."""

    name: str
    node: Node
    scope: Scope
    over: str
    arguments: list[Node] = field(default_factory=list)
    distinct: bool = False
    ignore_nulls: bool = False
    order: exp.Order | None = None
    limit: int | None = None
    having: exp.HavingMax | None = None

    def value(self, place: int, kind: Type | None = None) -> Value:
        """An argument, converted when a type is wanted."""
        if place >= len(self.arguments):
            raise self.scope.query.error(f"{self.name} needs {place + 1} arguments", self.node)
        found = typed(value(self.arguments[place], self.scope))
        if kind is None:
            return found
        if not fits(found, kind):
            raise no_signature(f"aggregate function {self.name}", [found], self.scope, self.node)
        return coerce(found, kind)

    def apply(self, function: str, *arguments: str, keep: str = "") -> str:
        """``function(DISTINCT a, b ORDER BY …) FILTER (…) OVER (…)``."""
        distinct = "DISTINCT " if self.distinct else ""
        order = order_by(self.order, [], self.scope)
        only = f" FILTER (WHERE {keep})" if keep else ""
        return f"{function}({distinct}{', '.join(arguments)}{f' {order}' if order else ''}){only}{self.over}"

    def plain(self, *allowed: str) -> None:
        """Refuse modifiers that this function does not have."""
        given = {
            "DISTINCT": self.distinct, "ORDER BY": self.order, "LIMIT": self.limit,
            "HAVING": self.having, "IGNORE NULLS": self.ignore_nulls,
        }  # fmt: skip
        for word, present in given.items():
            if present and word not in allowed:
                raise self.scope.query.error(f"{self.name} does not support {word} here", self.node)


def call_of(name: str, node: exp.Anonymous, scope: Scope, over: str) -> Call:
    """Take the modifiers of a call apart."""
    call = Call(name, node, scope.without_aliases(), over)
    rest = list(node.expressions)
    if rest:
        rest[-1:] = _unwrap(rest[-1], call)
    call.arguments = [item for entry in rest for item in _flat(entry, call)]
    return call


def _unwrap(node: Node, call: Call) -> list[Node]:
    """The last argument carries what follows the arguments."""
    if isinstance(node, exp.Limit):
        count = value(node.expression, Scope(call.scope.query))
        call.limit = int(node.expression.name) if count.type == INT64 else None
        return _unwrap(node.this, call)
    if isinstance(node, exp.Order):
        call.order = node
        return _unwrap(node.this, call)
    return [node]


def _flat(node: Node, call: Call) -> list[Node]:
    if isinstance(node, exp.IgnoreNulls | exp.RespectNulls):
        call.ignore_nulls = isinstance(node, exp.IgnoreNulls)
        return _flat(node.this, call)
    if isinstance(node, exp.HavingMax):
        call.having = node
        return _flat(node.this, call)
    if isinstance(node, exp.Order | exp.Limit):
        return [part for item in _unwrap(node, call) for part in _flat(item, call)]
    if isinstance(node, exp.Distinct):
        call.distinct = True
        return [part for item in node.expressions for part in _flat(item, call)]
    return [node]
