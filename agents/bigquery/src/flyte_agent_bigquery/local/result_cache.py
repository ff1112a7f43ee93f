"""Results that may be given again, and the end of those that may not be kept any longer.

Source: https://cloud.google.com/bigquery/docs/cached-results
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

from .catalog import Catalog
from .sql.scope import TableKey
from .statements import Plan
from .tables import Table, now_ms

LIFETIME_MS = 24 * 3600 * 1000


@dataclass
class Cached:
    """A result, good as long as the tables it was made of are what they were."""

    key: TableKey
    versions: dict[TableKey, int]


class ResultCache:
    """The results of a server's queries, for a day."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._found: dict[str, Cached] = {}
        self._made: deque[tuple[int, TableKey]] = deque()

    def fingerprint(self, made: Plan, config: dict[str, Any]) -> str:
        """What makes two queries the same; empty for one whose result is not given again."""
        asked = config.get("useQueryCache", True) is not False
        if made.query is None or made.compilation.volatile or config.get("destinationTable"):
            return ""
        text = f"{made.query.sql}\0{made.query.columns}"
        return hashlib.sha256(text.encode()).hexdigest() if asked else ""

    def get(self, fingerprint: str) -> Table | None:
        """A result of the same query over the same rows."""
        with self._lock:
            found = self._found.get(fingerprint)
        if found is None or any(
            self._version(key) != version for key, version in found.versions.items()
        ):
            return None
        return self._catalog.find(found.key)

    def _version(self, key: TableKey) -> int:
        table = self._catalog.find(key)
        return -1 if table is None else table.version

    def keep(self, fingerprint: str, key: TableKey, made: Plan) -> None:
        """Remember a result; one without a fingerprint only for its end."""
        versions = {table: self._version(table) for table in made.usage.references}
        with self._lock:
            if fingerprint:
                self._found[fingerprint] = Cached(key, versions)
            if key[1].startswith("_"):
                self._made.append((now_ms(), key))
            old = now_ms() - LIFETIME_MS
            ended = []
            while self._made and self._made[0][0] < old:
                ended.append(self._made.popleft()[1])
            self._found = {f: c for f, c in self._found.items() if c.key not in ended}
        for result in ended:
            if self._catalog.find(result) is not None:
                self._catalog.drop_table(result)
