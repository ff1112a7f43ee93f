"""
A notebook as the Python script that does the same.

Both formats are read: Jupyter's and Databricks' source format. Cells keep their text, so that a traceback shows it;
magic commands become calls of :class:`.cells.Cells`, which is there under the name ``_cells``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Loader = Callable[[str], str]
"""Returns the script of the notebook that ``%run`` names."""

_HEADERS = {
    "# Databricks notebook source": ("#", "python"),
    "-- Databricks notebook source": ("--", "sql"),
}
_SEPARATOR = "COMMAND ----------"
_TEXT_ONLY = ("%md", "%md-sandbox")


class NotebookError(ValueError):
    """A file that is no notebook, or one in a language that cannot run here."""


@dataclass(frozen=True)
class Cell:
    """
    A cell.

    Attributes:
        language: ``python``, ``sql`` or another.
        source: Its text, magic commands included.
    """

    language: str
    source: str


def is_notebook(text: str) -> bool:
    """Whether a file's text is a notebook's, and not that of a plain script."""
    return (
        text.split("\n", 1)[0].strip() in _HEADERS
        or text.lstrip().startswith('{"cells"')
        or _is_ipynb(text)
    )


def read(text: str, name: str) -> list[Cell]:
    """
    Return the cells of a notebook.

    Raises:
        NotebookError: It has neither format.
    """
    header = _HEADERS.get(text.split("\n", 1)[0].strip())
    if header is not None:
        return list(_source_cells(text.split("\n", 1)[-1], *header))
    if _is_ipynb(text):
        return _ipynb_cells(json.loads(text))
    raise NotebookError(
        f"{name} is no notebook: expected Jupyter's format, or '# Databricks notebook source' on its first line"
    )


def script(cells: list[Cell], load: Loader) -> str:
    """Return the script that runs the cells one after the other."""
    return "\n".join(_cell_script(cell, load) for cell in cells) + "\n"


def _is_ipynb(text: str) -> bool:
    if not text.lstrip().startswith("{"):
        return False
    try:
        return "cells" in json.loads(text)
    except ValueError:
        return False


def _ipynb_cells(document: dict[str, object]) -> list[Cell]:
    metadata = document.get("metadata")
    info = metadata.get("language_info") if isinstance(metadata, dict) else None
    language = str(info.get("name", "python")) if isinstance(info, dict) else "python"
    cells = document["cells"]
    found = [each for each in cells if isinstance(each, dict)] if isinstance(cells, list) else []
    return [
        Cell(language.lower(), _joined(each.get("source", "")))
        for each in found
        if each.get("cell_type") == "code"
    ]


def _joined(source: object) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _source_cells(text: str, comment: str, language: str) -> Iterator[Cell]:
    magic, title = f"{comment} MAGIC", f"{comment} DBTITLE"
    for part in text.split(f"{comment} {_SEPARATOR}"):
        lines = [line for line in part.strip("\n").split("\n") if not line.startswith(title)]
        if any(line.startswith(magic) for line in lines):
            lines = [
                line[len(magic) :].removeprefix(" ") if line.startswith(magic) else line
                for line in lines
            ]
        yield Cell(language, "\n".join(lines))


def _cell_script(cell: Cell, load: Loader) -> str:
    source = cell.source.strip("\n")
    command, _, rest = source.lstrip().partition("\n")
    word, _, arguments = command.partition(" ")
    if not source.strip() or word in _TEXT_ONLY:
        return ""
    if word == "%run":
        return load(arguments.strip().strip("'\""))
    if word == "%sql" or (cell.language == "sql" and not word.startswith("%")):
        text = source if word != "%sql" else f"{arguments}\n{rest}"
        return f"_sqldf = _cells.sql({text.strip()!r})"
    if word == "%python":
        source = f"{arguments}\n{rest}" if arguments else rest
    elif word.startswith("%%") or (cell.language != "python" and word != "%pip"):
        return f"_cells.refuse({cell.language if not word.startswith('%') else word!r})"
    return "\n".join(map(_line_script, source.split("\n")))


def _line_script(line: str) -> str:
    """A line of Python; the magic commands among them stand at its beginning."""
    bare = line.lstrip()
    indent = line[: len(line) - len(bare)]
    if bare.startswith("%pip "):
        return f"{indent}_cells.pip({bare[5:].strip()!r})"
    if bare.startswith("!") or (bare.startswith("%") and not indent):
        return f"{indent}_cells.refuse({bare.split(' ', 1)[0]!r})"
    return line
