"""
One statement for each attempt, as far as the API lets one tell.

Statements have no idempotency token. Each carries its attempt as a query tag instead, and is looked for in the
warehouse's history before it is sent, and again when an answer was lost.
Source: https://docs.databricks.com/api/workspace/statementexecution/executestatement
"""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError, ProtocolError, RetryableError, TaskError

from . import stopping, templates
from .calls import Calls
from .meta import DatabricksJobMeta
from .patience import NotMadeError, Patience, has_time_after
from .starting import NOT_MADE

if TYPE_CHECKING:
    from flyte_agent_core import AsyncAgent, Attempt
    from flyte_agent_core.clock import Clock

    from .config import StatementRequest
    from .plan import Plan

TAG = "flyte-attempt"
"""Query tag by which a statement is found again."""

WAREHOUSE = "DATABRICKS_WAREHOUSE_ID"
"""Environment of the service: the warehouse of tasks that name none."""

_LOOK_BACK_S, _AHEAD_S = 3600.0, 60.0
_LOST_PAUSES_S = (0.5, 2.0, 8.0, 20.0)


async def start(
    agent: AsyncAgent[Any], attempt: Attempt, planned: Plan, host: str
) -> DatabricksJobMeta:
    """
    Return the metadata of the attempt's statement, sent now or before.

    Raises:
        TaskError: The task must change.
        RetryableError: Not now.
    """
    body = body_of(attempt, planned)
    calls = Calls(agent, planned.account)
    token, warehouse = planned.tokens[0], str(body["warehouse_id"])
    found = await _find(calls, agent.clock, warehouse, token)
    statement_id = found or await _send(calls, agent.clock, body, token)
    request, account = planned.request, planned.account
    return DatabricksJobMeta(
        run_id=statement_id,
        kind="statement",
        host=host,
        credentials=account.credentials,
        flyte_project=account.flyte_project,
        flyte_domain=account.flyte_domain,
        adopted=bool(found),
        outputs=attempt.output_spec.encode() if request.outputs.kind != "none" else {},
        result=request.outputs.kind,
        max_rows=request.outputs.max_rows,
    )


async def undo(agent: AsyncAgent[Any], attempt: Attempt, planned: Plan) -> None:
    """Stop what a create that failed may have sent; the history shows it after a moment."""
    calls = Calls(agent, planned.account)
    warehouse = str(body_of(attempt, planned)["warehouse_id"])
    for pause_s in (*_LOST_PAUSES_S, 0.0):
        found = await _find(calls, agent.clock, warehouse, planned.tokens[0])
        if found:
            await stopping.stop_statement(calls, agent.clock, found)
            return
        if not has_time_after(pause_s):
            return
        await agent.clock.sleep(pause_s)


def body_of(attempt: Attempt, planned: Plan) -> dict[str, Any]:
    """
    Return the request.

    Raises:
        TaskError: There is no SQL, no warehouse, or an input is missing.
    """
    request = planned.request.statement
    warehouse = (request.warehouse_id if request else "") or os.environ.get(WAREHOUSE, "")
    if request is None or not attempt.sql.strip():
        raise TaskError(
            "sql: found no text, expected a statement. Write it into the task.",
            code="DATABRICKS.NO_SQL",
        )
    if not warehouse:
        raise TaskError(
            f"statement.warehouse_id: found none in the task or in {WAREHOUSE} of the agent service, expected "
            "the id of a "
            "SQL warehouse.",
            code="DATABRICKS.NO_WAREHOUSE",
        )
    tags = {**request.query_tags, TAG: planned.tokens[0]}
    body: dict[str, Any] = {
        "statement": attempt.sql,
        "warehouse_id": warehouse,
        "catalog": request.catalog or None,
        "schema": request.schema or None,
        "row_limit": request.row_limit,
        "parameters": _parameters(request, attempt.inputs) or None,
        "query_tags": [{"key": key, "value": value} for key, value in tags.items()],
        "disposition": "INLINE",
        "format": "JSON_ARRAY",
        "wait_timeout": "0s",  # never wait inside the server
        **planned.request.extra,
    }
    return {name: value for name, value in body.items() if value is not None}


def _parameters(request: StatementRequest, inputs: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for name, kind in request.parameters.items():
        if name not in inputs:
            raise TaskError(
                f"statement.parameters: found no input {name!r}, expected one of that name"
            )
        value = inputs[name]
        item = {"name": name, "type": kind}
        if value is not None:  # a parameter without a value is NULL
            item["value"] = parameter_text(value, kind)
        made.append(item)
    return made


def parameter_text(value: Any, kind: str) -> str:
    """Return a value as a parameter of a SQL type."""
    if isinstance(value, dt.datetime):
        if kind.startswith("DATE"):
            return value.date().isoformat()
        utc = value.astimezone(dt.timezone.utc) if value.tzinfo else value
        zone = "" if kind == "TIMESTAMP_NTZ" else "Z"
        return f"{utc:%Y-%m-%dT%H:%M:%S.%f}{zone}"
    return templates.text_of(value)


async def _send(calls: Calls, clock: Clock, body: dict[str, Any], token: str) -> str:
    """Return the id of the statement; one whose answer was lost is looked for before it is sent again."""
    patience, certain = Patience(clock), True
    while True:
        try:
            answer = await calls.run(lambda client: client.execute(body))
        except (RetryableError, ProtocolError) as error:
            refused = error.code in NOT_MADE
            certain = certain and refused
            found = "" if refused else await _find(calls, clock, str(body["warehouse_id"]), token)
            if found:
                return found
            await patience.wait_after(error, NotMadeError if certain else RetryableError)
            if not refused:
                found = await _find(calls, clock, str(body["warehouse_id"]), token)
            if found:
                return found
            continue
        statement_id = str(answer.get("statement_id") or "")
        if not statement_id:
            raise RetryableError("Databricks answered no statement_id", code="DATABRICKS.GARBLED")
        return statement_id


async def _find(calls: Calls, clock: Clock, warehouse: str, token: str) -> str:
    """Return the id of the statement with this attempt's tag; ``""`` if none is found, or it may not be looked for."""
    now_s = clock.time()
    times = round((now_s - _LOOK_BACK_S) * 1000), round((now_s + _AHEAD_S) * 1000)
    try:
        found = await calls.run(lambda client: client.query_history(warehouse, *times))
    except AgentError:
        return ""
    for query in found:
        tags = query.get("query_tags") or ()
        if any(
            tag.get("key") == TAG and tag.get("value") == token for tag in tags
        ) and not _was_stopped(query):
            return str(query.get("query_id") or query.get("lookup_key") or "")
    return ""


def _was_stopped(query: dict[str, Any]) -> bool:
    return str(query.get("status") or "") in ("CANCELED", "CANCELLED")
