"""Statements, warehouses, saved queries, clusters.

Source: https://docs.databricks.com/api/workspace/statementexecution and https://docs.databricks.com/api/workspace/warehouses
"""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from flyte_agent_databricks.local.errors import ApiError, missing
from flyte_agent_databricks.local.statements import Statement, wait_s
from flyte_agent_testing.server import Reply, Request, route

from .base import EMPTY, ApiServer, body_of

_STATEMENTS = "/api/2.0/sql/statements"
_WAREHOUSES = "/api/2.0/sql/warehouses"
_QUERIES = "/api/2.0/sql/queries"
_LOOK_S = 0.005


class SqlRoutes(ApiServer):
    """The resources below ``sql``, and ``clusters``."""

    # Old versions of the SDK write it with a slash at the end.
    @route("POST", _STATEMENTS, name="statements.execute")
    @route("POST", _STATEMENTS + "/", name="statements.execute")
    async def execute(self, request: Request) -> Reply:
        """Start a statement, and wait a while for its end."""
        body = body_of(request)
        limit_s = wait_s(body)
        statement = self.statements.submit(body)
        if (
            not await _ended(statement, limit_s)
            and limit_s
            and body.get("on_wait_timeout") == "CANCEL"
        ):
            await self.in_thread(lambda: self.statements.cancel(statement))
        return Reply(200, self.statements.answer(statement, self.url))

    @route("GET", _STATEMENTS + "/{statement_id}", name="statements.get", inline=True)
    def get_statement(self, request: Request, statement_id: str) -> Reply:
        """Its state, and the first chunk of its result."""
        return Reply(200, self.statements.answer(self.statements.get(statement_id), self.url))

    @route(
        "GET",
        _STATEMENTS + "/{statement_id}/result/chunks/{index}",
        name="statements.chunk",
        inline=True,
    )
    def get_chunk(self, request: Request, statement_id: str, index: str) -> Reply:
        """Another chunk."""
        statement = self.statements.get(statement_id)
        if statement.state != "SUCCEEDED":
            raise ApiError(
                "INVALID_STATE",
                f"The statement {statement_id} has no result: it is {statement.state}.",
            )
        return Reply(
            200, self.statements.chunk(statement, int(index) if index.isdigit() else -1, self.url)
        )

    @route("POST", _STATEMENTS + "/{statement_id}/cancel", name="statements.cancel")
    def cancel_statement(self, request: Request, statement_id: str) -> Reply:
        """One that has ended stays as it is."""
        self.statements.cancel(self.statements.get(statement_id))
        return EMPTY

    @route("GET", "/local/results/{statement_id}/{index}/{key}", name="results", inline=True)
    def get_result(self, request: Request, statement_id: str, index: str, key: str) -> Reply:
        """What an external link leads to; as cloud storage does, it refuses a token."""
        statement = self.statements.get(statement_id)
        if request.header(b"authorization") is not None or key != statement.key:
            return Reply(400, "Only one auth mechanism allowed", {"content-type": "text/plain"})
        kind = "text/csv" if statement.format == "CSV" else "application/json"
        return Reply(200, self.statements.file(statement, int(index)), {"content-type": kind})

    # -- warehouses ---------------------------------------------------------------------------------------------

    @route("GET", _WAREHOUSES, name="warehouses.list", inline=True)
    def list_warehouses(self, request: Request) -> Reply:
        """All of them."""
        return Reply(
            200, {"warehouses": [self._warehouse(name) for name in self.statements.warehouses]}
        )

    @route("GET", _WAREHOUSES + "/{warehouse_id}", name="warehouses.get", inline=True)
    def get_warehouse(self, request: Request, warehouse_id: str) -> Reply:
        """One."""
        return Reply(200, self._warehouse(warehouse_id))

    @route("POST", _WAREHOUSES + "/{warehouse_id}/start", name="warehouses.start", inline=True)
    def start_warehouse(self, request: Request, warehouse_id: str) -> Reply:
        """It runs at once."""
        return self._switch(warehouse_id, "RUNNING")

    @route("POST", _WAREHOUSES + "/{warehouse_id}/stop", name="warehouses.stop", inline=True)
    def stop_warehouse(self, request: Request, warehouse_id: str) -> Reply:
        """The next statement starts it again."""
        return self._switch(warehouse_id, "STOPPED")

    def _switch(self, warehouse_id: str, state: str) -> Reply:
        self._warehouse(warehouse_id)
        self.statements.warehouses[warehouse_id] = state
        return EMPTY

    def _warehouse(self, warehouse_id: str) -> dict[str, Any]:
        state = self.statements.warehouses.get(warehouse_id)
        if state is None:
            raise missing("SQL warehouse", warehouse_id)
        name = f"local {warehouse_id}"
        return {"id": warehouse_id, "name": name, "state": state, "warehouse_type": "PRO", "cluster_size": "2X-Small",
                "enable_serverless_compute": True, "num_clusters": int(state == "RUNNING")}  # fmt: skip

    # -- queries ------------------------------------------------------------------------------------------------

    @route("POST", _QUERIES, name="queries.create", inline=True)
    def create_query(self, request: Request) -> Reply:
        """Keep a query for SQL tasks."""
        query = {"id": str(uuid.uuid4()), **(body_of(request).get("query") or {})}
        self.queries[query["id"]] = query
        return Reply(200, query)

    @route("GET", _QUERIES + "/{query_id}", name="queries.get", inline=True)
    def get_query(self, request: Request, query_id: str) -> Reply:
        """One."""
        if query_id not in self.queries:
            raise missing("Query", query_id)
        return Reply(200, self.queries[query_id])

    # -- clusters -----------------------------------------------------------------------------------------------

    @route("GET", "/api/{version}/clusters/get", name="clusters.get", inline=True)
    def get_cluster(self, request: Request, version: str) -> Reply:
        """Its state, and why it was terminated."""
        return Reply(200, self.clusters.get(request.argument(b"cluster_id")).body())

    @route("GET", "/api/{version}/clusters/list", name="clusters.list", inline=True)
    def list_clusters(self, request: Request, version: str) -> Reply:
        """All of them."""
        return Reply(
            200, {"clusters": [cluster.body() for cluster in list(self.clusters.known.values())]}
        )


async def _ended(statement: Statement, limit_s: float) -> bool:
    """Wait for the end of a statement without a thread for it; whether it came."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while not statement.done.is_set() and loop.time() < deadline:  # noqa: ASYNC110  # ends in another thread
        await asyncio.sleep(_LOOK_S)
    return statement.done.is_set()
