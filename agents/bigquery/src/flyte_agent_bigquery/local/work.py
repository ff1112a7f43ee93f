"""A query job's text, and what its statements share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
from sqlglot import exp

from .catalog import Catalog
from .errors import BigQueryError, refusal
from .frames import Frame
from .params import parameters
from .scripts import Script, makes_function, read_script
from .sql.ddl import definition
from .sql.scope import Compilation
from .statements import Plan, plan
from .stats import Usage
from .steering import STEERING


@dataclass
class Work:
    """The text of a query job and all that its statements share."""

    catalog: Catalog
    project: str
    config: dict[str, Any]
    script: Script
    frame: Frame

    def compilation(self, place: int) -> Compilation:
        """What the statement at a place may use."""
        config, trees = self.config, self.script.trees
        named, positional = parameters(
            config.get("queryParameters") or [], config.get("parameterMode") or "NAMED"
        )
        default = config.get("defaultDataset") or {}
        project = default.get("projectId") or self.project
        before = sum(len(list(tree.find_all(exp.Placeholder))) for tree in trees[:place])
        return Compilation(
            self.script.source,
            self.catalog,
            self.project,
            (project, default["datasetId"]) if default else None,
            named,
            positional,
            variables=self.frame.variables,
            temp_tables=self.frame.temp_tables,
            functions=self.frame.functions,
            placeholders_before=before,
        )

    def plan(self, place: int, cursor: duckdb.DuckDBPyConnection | None = None) -> Plan:
        """Translate and weigh the statement at a place."""
        tree, (_, text) = self.script.trees[place], self.script.texts[place]
        return plan(tree, self.compilation(place), self.catalog, text, cursor)

    def take_functions(self) -> None:
        """Functions made before the first other statement do not make the query a script."""
        script = self.script
        while len(script.trees) > 1 and makes_function(script.trees[0]):
            made = definition(script.trees[0], self.compilation(0), script.texts[0][1])
            if made.function is not None:
                self.frame.functions[made.key[2].lower()] = made.function
            del script.trees[0], script.texts[0]


def script_of(config: dict[str, Any]) -> Script:
    """The statements of a job, functions that come with it first. Raises ``BigQueryError``."""
    sql = config["query"]
    if config.get("useLegacySql", True) and not sql.lstrip().lower().startswith("#standardsql"):
        raise refusal("legacy SQL", "set useLegacySql to false")
    refused = {"tableDefinitions": "external tables", "continuous": "continuous queries"}
    for name, what in refused.items():
        if config.get(name):
            raise refusal(what, "load the data into a table")
    inline = []
    for item in config.get("userDefinedFunctionResources") or []:
        if not item.get("inlineCode"):
            raise refusal("functions from Cloud Storage", "give the code inline")
        inline.append(item["inlineCode"].rstrip().rstrip(";"))
    return read_script(";\n".join([*inline, sql]))


def weighed(work: Work) -> Iterator[Usage]:
    """What the statements would read, up to the first that needs what an earlier one makes."""
    for place, tree in enumerate(work.script.trees):
        if isinstance(tree, STEERING):
            return
        try:
            made = work.plan(place)
        except BigQueryError:
            if place == 0:
                raise
            return
        check_bytes(made.usage, work.config)
        yield made.usage


def check_bytes(usage: Usage, config: dict[str, Any]) -> None:
    """Raises ``BigQueryError`` when a query would bill more than it may."""
    limit = int(config.get("maximumBytesBilled") or 0)
    if 0 < limit < usage.billed_bytes:
        message = f"Query exceeded limit for bytes billed: {limit}. {usage.billed_bytes} or higher required."
        raise BigQueryError("bytesBilledLimitExceeded", message)
