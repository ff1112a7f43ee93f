"""What a catalog keeps between runs: its resources, in a table of the same database."""

from __future__ import annotations

import json
from dataclasses import asdict

from .engine import Engine
from .sql.scope import TableKey
from .tables import Dataset, Table

_NAME = "main.bq_resources"


class CatalogStore:
    """Resources of datasets and tables on disk; hidden ones are not kept."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        columns = "kind VARCHAR, key VARCHAR, body VARCHAR"
        engine.run(f"CREATE TABLE IF NOT EXISTS {_NAME} ({columns})")

    def store(self, item: Dataset | Table) -> None:
        """Keep a resource as it is now."""
        key = item.key if isinstance(item, Table) else (item.project, item.name, "")
        if key[1].startswith("_"):
            return
        kind = "table" if isinstance(item, Table) else "dataset"
        self.forget(kind, key)
        row = [kind, json.dumps(key), json.dumps(asdict(item))]
        self._engine.run(f"INSERT INTO {_NAME} VALUES (?, ?, ?)", row)

    def forget(self, kind: str, key: TableKey) -> None:
        """Keep it no longer."""
        self._engine.run(f"DELETE FROM {_NAME} WHERE kind = ? AND key = ?", [kind, json.dumps(key)])

    def restore(self) -> tuple[dict[tuple[str, str], Dataset], dict[TableKey, Table]]:
        """What an earlier run has kept."""
        datasets: dict[tuple[str, str], Dataset] = {}
        tables: dict[TableKey, Table] = {}
        for kind, written, body in self._engine.run(f"SELECT kind, key, body FROM {_NAME}"):
            project, dataset, name = json.loads(written)
            fields = json.loads(body)
            if kind == "dataset":
                datasets[project, dataset] = Dataset(**fields)
                continue
            del fields["version"]  # this run counts anew
            fields["key"] = (project, dataset, name)
            tables[fields["key"]] = Table(**fields)
        return datasets, tables
