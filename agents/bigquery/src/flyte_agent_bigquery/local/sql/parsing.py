"""Text to tree: sqlglot's BigQuery parser with its function rewriting switched off.

sqlglot turns many of BigQuery's functions into general ones and so loses what they meant. Here every call stays a
call by its own name, and only what :mod:`.functions` has verified is translated.
"""

from __future__ import annotations

import itertools
import logging
import re
from typing import TYPE_CHECKING, Any, TypeAlias

from sqlglot import TokenType, exp
from sqlglot.dialects.bigquery import BigQuery
from sqlglot.errors import ParseError, TokenError

from flyte_agent_bigquery.local.errors import BigQueryError, invalid_query, refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

# BigQuery reads these; a syntax error beside one of them is none of the user's.
_UNREAD = re.compile(
    r"\b(?:(?:ML|AI|OBJ)\.\w+|VECTOR_SEARCH|GRAPH_TABLE|MATCH_RECOGNIZE|GAP_FILL|APPENDS)\s*\(",
    re.IGNORECASE,
)
Node: TypeAlias = Any
"""A node of sqlglot's tree; what its base class is called depends on the version."""

_STEPS = {
    TokenType.L_PAREN: 1,
    TokenType.L_BRACKET: 1,
    TokenType.R_PAREN: -1,
    TokenType.R_BRACKET: -1,
}
_MAX_DEPTH = 200
_TOO_DEEP = "Resources exceeded during query parsing: the query is nested too deeply."
_KEPT = ("ARRAY", "CAST", "SAFE_CAST", "EXTRACT")


def _placeholder(parser: Any) -> exp.Placeholder:
    """Where a "?" stands says which of the positional parameters it is."""
    return exp.Placeholder(this=str(parser._prev.start))  # noqa: SLF001 - how sqlglot's own do it


class StandInBigQuery(BigQuery):
    """BigQuery's grammar, functions left alone."""

    # Keeps calls as they are written; only those with a grammar of their own are parsed specially.
    Parser: Any = type(
        "Parser",
        (BigQuery.Parser,),
        {
            "FUNCTIONS": {},
            "FUNCTION_PARSERS": {name: BigQuery.Parser.FUNCTION_PARSERS[name] for name in _KEPT},
            "NO_PAREN_FUNCTIONS": {},
            "NO_PAREN_FUNCTION_PARSERS": {
                name: BigQuery.Parser.NO_PAREN_FUNCTION_PARSERS[name] for name in ("CASE", "IF")
            },
            "PLACEHOLDER_PARSERS": {
                **BigQuery.Parser.PLACEHOLDER_PARSERS,
                TokenType.PLACEHOLDER: _placeholder,
            },
        },
    )


# sqlglot warns of what it keeps as raw text; here that is refused with a message of its own.
logging.getLogger("sqlglot").addFilter(
    lambda record: "Falling back to parsing as a 'Command'" not in record.getMessage()
)


class Source:
    """The text of a query, and where its parts stand."""

    def __init__(self, sql: str) -> None:
        self.sql = sql

    def at(self, node: Node | None) -> str:
        """``" at [line:column]"`` of a node, empty when nobody knows."""
        start = _start(node) if node is not None else None
        return "" if start is None else f" at {self.place(start)}"

    def place(self, offset: int) -> str:
        """``[line:column]``, both from 1, of a place in the text."""
        before = self.sql[:offset]
        return f"[{before.count(chr(10)) + 1}:{offset - before.rfind(chr(10))}]"


def _start(node: Node) -> int | None:
    starts = [start for part in node.walk() if (start := part.meta.get("start")) is not None]
    return min(starts) if starts else None


def statements(source: Source) -> list[Node]:
    """The statements of a text. Raises ``BigQueryError`` (``invalidQuery``) for a syntax error."""
    if (zero := source.sql.find("\0")) >= 0:
        message = 'Syntax error: Illegal input character "\\0"'
        raise invalid_query(message, f" at {source.place(zero)}")
    try:
        parsed = _parse(source.sql)
    except ParseError as error:
        if match := _UNREAD.search(source.sql):
            raise refusal(
                f"{match[0].strip(' (')}", at=f" at {source.place(match.start())}"
            ) from None
        raise _syntax_error(source, error) from None
    except TokenError as error:
        raise _token_error(source, str(error)) from None
    except RecursionError:
        raise BigQueryError("resourcesExceeded", _TOO_DEEP) from None
    found = [tree for tree in parsed if tree is not None and not isinstance(tree, exp.Semicolon)]
    if not found:
        raise invalid_query("Syntax error: Unexpected end of statement", " at [1:1]")
    return found


def _parse(sql: str) -> list[Node | None]:
    dialect = StandInBigQuery()
    tokens = dialect.tokenize(sql)
    # At the end of the stack, finalizers of whatever is collected just then would fail too.
    if _depth(tokens) > _MAX_DEPTH:
        raise BigQueryError("resourcesExceeded", _TOO_DEEP)
    return dialect.parser().parse(tokens, sql)


def _depth(tokens: Iterable[Any]) -> int:
    steps = (_STEPS.get(token.token_type, 0) for token in tokens)
    return max(itertools.accumulate(steps), default=0)


def _syntax_error(source: Source, error: ParseError) -> BigQueryError:
    detail = error.errors[0] if error.errors else {}
    word = detail.get("highlight") or ""
    if not detail.get("line"):
        return invalid_query("Syntax error: Unexpected end of script")
    # sqlglot's column is that of a token's last character.
    at = f" at [{detail['line']}:{max(1, detail['col'] - len(word) + 1)}]"
    rest = source.sql[_offset(source.sql, detail["line"], detail["col"]) :].strip(" ;\n\t")
    if not rest and "Unexpected token" not in str(detail.get("description")):
        return invalid_query("Syntax error: Unexpected end of script", at)
    return invalid_query(f"Syntax error: Unexpected {_kind_of(word)}", at)


def _kind_of(word: str) -> str:
    if re.fullmatch(r"\d.*", word):
        return f'integer literal "{word}"'
    return f'identifier or keyword "{word}"' if re.fullmatch(r"\w+", word) else f'"{word}"'


def _offset(sql: str, line: int, column: int) -> int:
    return sum(len(row) + 1 for row in sql.split("\n")[: line - 1]) + column


def _token_error(source: Source, message: str) -> BigQueryError:
    quotes = [match.start() for match in re.finditer("['\"`]", source.sql)]
    at = f" at {source.place(quotes[-1])}" if quotes else ""
    if "Missing" in message or "Error tokenizing" in message:
        return invalid_query("Syntax error: Unclosed string literal or identifier", at)
    return invalid_query("Syntax error: Illegal input", at)
