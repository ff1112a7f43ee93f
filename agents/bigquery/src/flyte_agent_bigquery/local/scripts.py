"""A query's text as statements, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from .errors import BigQueryError, refusal
from .sql.parsing import Node, Source, StandInBigQuery, statements
from .steering import STEERING

MAX_QUERY_CHARACTERS = 1024 * 1024


@dataclass
class Script:
    """The statements of a query text."""

    source: Source
    trees: list[Node]
    texts: list[tuple[int, str]]  # where each starts, and what it says

    @property
    def single(self) -> bool:
        """Whether it is one statement, not a script."""
        return len(self.trees) == 1 and not isinstance(self.trees[0], STEERING)


def read_script(sql: str) -> Script:
    """Parse a query text. Raises ``BigQueryError``."""
    if len(sql) > MAX_QUERY_CHARACTERS:
        limit = "1024.00K characters, including comments and white space characters"
        message = f"The query is too large. The maximum standard SQL query length is {limit}."
        raise BigQueryError("invalid", message, location="query")
    source = Source(sql)
    trees = statements(source)
    texts = list(_texts(sql))
    if len(texts) != len(trees):
        raise refusal("this script", "give each statement a query of its own")
    return Script(source, trees, texts)


def _texts(sql: str) -> Iterator[tuple[int, str]]:
    start: int | None = None
    end = 0
    for token in StandInBigQuery().tokenize(sql):
        if token.text == ";" and token.token_type.name == "SEMICOLON":
            if start is not None:
                yield start, sql[start:end]
            start = None
            continue
        start = token.start if start is None else start
        end = token.end + 1
    if start is not None:
        yield start, sql[start:end]


def stack_frame(source: Source, start: int, text: str) -> dict[str, Any]:
    """Where a statement of a script stands: a ``ScriptStackFrame``."""
    first, last = (
        source.place(start)[1:-1].split(":"),
        source.place(start + len(text))[1:-1].split(":"),
    )
    return {
        "startLine": int(first[0]), "startColumn": int(first[1]),
        "endLine": int(last[0]), "endColumn": int(last[1]), "text": text,
    }  # fmt: skip


def makes_function(tree: Node) -> bool:
    """Whether a statement makes a function."""
    return isinstance(tree, exp.Create) and (tree.args.get("kind") or "").upper() == "FUNCTION"
