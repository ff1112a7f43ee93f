"""SQL tasks of jobs: the statements of a file or of a saved query, on DuckDB."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import duckdb

from .driver.dbruntime.paths import OutsideError, on_disk
from .records import Output, TaskRun
from .sql import Database, SqlError
from .states import FAILED, SUCCESS, broken
from .taskflow import Ending
from .workers import Switch

_INTERRUPT_EVERY_S = 0.02


class SqlWork:
    """
    Runs SQL tasks.

    Args:
        root: The workspace's folder.
        database: Where statements run.
        queries: Saved queries by id.
    """

    def __init__(self, root: Path, database: Database, queries: dict[str, dict[str, Any]]) -> None:
        self._root, self._database, self._queries = root, database, queries

    def __call__(self, task: TaskRun, switch: Switch) -> Ending:
        """Run one and return how it ended."""
        settings = task.settings
        try:
            text = self._text(settings)
        except LookupError as error:
            words = broken("RESOURCE_NOT_FOUND", str(error.args[0]))
            return Ending(words, Output({"error": words.message}))
        given = [
            {"name": name, "value": value}
            for name, value in (settings.get("parameters") or {}).items()
        ]
        cursor = self._database.cursor()
        done = threading.Event()
        switch.ends(lambda: _interrupt(cursor, done))
        try:
            self._database.run(cursor, text, given)
        except SqlError as error:
            return Ending(FAILED.saying(error.message), Output({"error": error.message}))
        except duckdb.InterruptException:
            return Ending(FAILED)
        finally:
            done.set()
            switch.ends(lambda: None)
            cursor.close()
        output = {
            "warehouse_id": settings["warehouse_id"],
            "endpoint_id": settings["warehouse_id"],
            "query_text": text,
            "output_link": f"/sql/queries/{task.run_id}",
            "sql_statements": [{"lookup_key": f"local-{task.run_id}"}],
        }
        return Ending(SUCCESS, Output({"sql_output": {"query_output": output}}))

    def _text(self, settings: dict[str, Any]) -> str:
        if "query" in settings:
            query_id = settings["query"]["query_id"]
            if query_id not in self._queries:
                raise LookupError(f"The query {query_id} does not exist.")
            return str(self._queries[query_id]["query_text"])
        path = (settings.get("file") or {}).get("path", "")
        try:
            found = on_disk(self._root, path, default="Workspace")
        except OutsideError as error:
            raise LookupError(str(error)) from None
        if not found.is_file():
            raise LookupError(f"The SQL file {path} does not exist in the workspace.")
        return found.read_text("utf-8")


def _interrupt(cursor: duckdb.DuckDBPyConnection, done: threading.Event) -> None:
    """Again and again: between two statements there is nothing to interrupt."""
    while not done.wait(_INTERRUPT_EVERY_S):
        cursor.interrupt()
