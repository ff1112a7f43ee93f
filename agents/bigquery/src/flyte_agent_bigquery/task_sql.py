"""
What the text of a query shows without running it: its parameters, and whether it is whole.

Only the lexical rules of GoogleSQL are known here (comments, strings, quoted names), so nothing
inside them is mistaken for a parameter.
Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/lexical
"""

from __future__ import annotations

import dataclasses
import difflib
import re
from typing import TYPE_CHECKING, Literal

from flyte_agent_core.errors import InvalidConfig

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_SQL_BYTES = 1024 * 1024
"""BigQuery's limit for a query's text; https://cloud.google.com/bigquery/quotas#query_jobs"""

_TOKEN = re.compile(
    r"""
    (?P<comment>  --[^\n]* | \#[^\n]* | /\*.*?\*/ )
  | (?P<string>   \"{3}(?:\\.|[^\\])*?\"{3} | '{3}(?:\\.|[^\\])*?'{3}
                | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\\n])*` )
  | (?P<unclosed> ["'`] | /\* )
  | (?P<system>   @@ )
  | (?P<hint>     @\s*\{ )
  | @\s* (?: `(?P<quoted>[^`\n]+)` | (?P<name>[A-Za-z_][A-Za-z0-9_]*) )
  | (?P<place>    \? )
  | (?P<open>     \( )
  | (?P<close>    \) )
  | (?P<end>      ; )
  | (?P<word>     [A-Za-z_][A-Za-z0-9_]* )
  | (?P<rest>     [^A-Za-z_@?"'`\#/()\;-]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_LEGACY = re.compile(r"\s*#\s*legacySQL\b", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Scan:
    """
    What a query's text shows.

    Attributes:
        names: ``@name`` parameters in order of appearance, each once, as first written.
        places: How many ``?`` it has.
        is_whole: False when a string or comment does not end, so that the rest is not known.
        is_balanced: Whether every bracket is closed, in order.
        statements: How many statements the ``;`` separate.
    """

    names: tuple[str, ...]
    places: int
    is_whole: bool
    is_balanced: bool
    statements: int


def scan(sql: str) -> Scan:
    """Return what the text of ``sql`` shows."""
    names: dict[str, str] = {}
    places = depth = lowest = 0
    statements, is_open, is_whole, has_patterns = 0, False, True, False
    for match in _TOKEN.finditer(sql):
        kind = match.lastgroup
        if kind == "unclosed":
            is_whole = False
            break
        if kind in ("name", "quoted"):
            name = match[kind]
            names.setdefault(name.lower(), name)
        places += kind == "place"
        depth += (kind == "open") - (kind == "close")
        lowest = min(lowest, depth)
        # The patterns of MATCH_RECOGNIZE use ? to say "once or not at all".
        has_patterns |= kind == "word" and match["word"].upper() == "MATCH_RECOGNIZE"
        is_text = kind != "comment" and not match[0].isspace() and kind != "end"
        statements += is_text and not is_open
        is_open = (is_open or is_text) and kind != "end"
    balanced = depth == 0 and lowest == 0
    return Scan(
        tuple(names.values()), 0 if has_patterns else places, is_whole, balanced, statements
    )


def check_text(sql: object, where: str = "query") -> str:
    """
    Return ``sql`` if BigQuery would read it at all.

    Raises:
        InvalidConfig: It is no text, empty, too long, or holds NUL bytes.
    """
    if not isinstance(sql, str):
        raise InvalidConfig(
            f"{where}: found {type(sql).__name__}, expected str: the SQL text. "
            "Read a file with pathlib.Path(...).read_text()."
        )
    if not sql.strip():
        raise InvalidConfig(f"{where}: found no text, expected a SQL statement")
    if "\0" in sql:
        raise InvalidConfig(
            f"{where}: found a NUL byte at character {sql.index(chr(0))}, expected text; BigQuery "
            "refuses it. Pass binary data as a bytes parameter."
        )
    _check_size(sql, where)
    return sql


def _check_size(sql: str, where: str) -> None:
    try:
        size_bytes = len(sql.encode())
    except UnicodeEncodeError as error:
        raise InvalidConfig(
            f"{where}: found character {error.start} outside of Unicode, expected UTF-8 text. "
            "Read the file with encoding='utf-8'."
        ) from None
    if size_bytes > MAX_SQL_BYTES:
        raise InvalidConfig(
            f"{where}: found {size_bytes:,} bytes of SQL, expected at most {MAX_SQL_BYTES:,}: "
            "BigQuery takes no longer query. Pass data as parameters (an ARRAY holds thousands of "
            "values) or load it into a table first."
        )


def parameter_mode(
    sql: str, inputs: Sequence[str], known: Sequence[str] = ()
) -> Literal["NAMED", "POSITIONAL"]:
    """
    Return how the query names its parameters, after comparing them with the declared inputs.

    Args:
        sql: The query.
        inputs: Names of the task's inputs, in order.
        known: Further names that have a value, from a raw job configuration.

    Raises:
        InvalidConfig: A parameter has no input or an input no parameter.
    """
    found = scan(sql)
    _check_names(inputs)
    if not found.is_whole or _LEGACY.match(sql):
        return "NAMED"  # BigQuery will say what is wrong with it
    if found.places and found.names:
        raise InvalidConfig(
            f"query: found both ? and @{found.names[0]}, expected one kind of parameter. "
            "Write every parameter as @name."
        )
    if found.places:
        _check_places(found.places, inputs)
        return "POSITIONAL"
    _check_used(found.names, inputs, known)
    return "NAMED"


def _check_names(inputs: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name in inputs:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise InvalidConfig(
                f"inputs: found {name!r}, expected ASCII letters, digits and _: BigQuery's rule for "
                "parameter names. Rename the input."
            )
        if name.lower() in seen:
            raise InvalidConfig(
                f"inputs: found {seen[name.lower()]!r} and {name!r}, but BigQuery does not tell "
                "upper from lower case in parameter names. Rename one."
            )
        seen[name.lower()] = name


def _check_places(places: int, inputs: Sequence[str]) -> None:
    if places != len(inputs):
        listed = ", ".join(inputs) or "none"
        raise InvalidConfig(
            f"query: found {places} ?, expected {len(inputs)}: one for each input in order "
            f"({listed}). Write @name to use a value more than once."
        )


def _check_used(names: Sequence[str], inputs: Sequence[str], known: Sequence[str]) -> None:
    used = {name.lower() for name in names}
    given = {name.lower() for name in (*inputs, *known)}
    missing = [name for name in names if name.lower() not in given]
    unused = [name for name in inputs if name.lower() not in used]
    if missing:
        name = missing[0]
        raise InvalidConfig(
            f"query: found @{name}, expected an input of that name. "
            f"{_nearest(name, unused or inputs)}Declare it: inputs={{{name!r}: <type>}}."
        )
    if unused:
        name = unused[0]
        raise InvalidConfig(
            f"inputs: found {name!r}, which the query does not use as @{name}. "
            f"{_nearest(name, [n for n in names if n.lower() not in given])}"
            "Remove the input, or use it in the SQL. ({{ .inputs.x }} is not replaced in SQL: "
            "values are sent apart from the text, so that they cannot change the query.)"
        )


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]!r}? " if near else ""
