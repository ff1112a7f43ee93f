"""A statement that was sent: what a poll answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flyte_agent_core import Resource, RetryableError, TaskError
from flyte_agent_core.outputs import OutputSpec

from .calls import Calls
from .errors import STATEMENT_ERRORS, Advice, code_of
from .job_run import integer, part
from .links import statement_links
from .phases import STATEMENT_PHASES
from .results import checked
from .statement_rows import values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_agent_core import AgentError, AsyncAgent, Phase

    from .meta import DatabricksJobMeta

_UNKNOWN = Advice(TaskError, "Correct the SQL, or see Databricks' documentation for this code.")


async def poll(agent: AsyncAgent[Any], meta: DatabricksJobMeta) -> Resource:
    """
    Return phase, message, link, figures and, of a statement that succeeded, the outputs.

    Raises:
        JobNotFound: Databricks does not know the statement.
        AgentError: It or its rows could not be read this time.
    """
    calls = Calls(agent, meta.account)
    statement = await calls.run(lambda client: client.get_statement(meta.run_id))
    state = str(part(statement, "status").get("state") or "")
    phase = STATEMENT_PHASES(state)
    failure = failure_of(statement, adopted=meta.adopted)
    if failure is None and phase.is_terminal and meta.outputs:
        try:
            outputs = await _outputs(calls, meta, statement)
        except TaskError as error:
            failure = error
        else:
            return _resource(meta, statement, phase, outputs=outputs)
    return _resource(meta, statement, phase, failure)


def failure_of(statement: Mapping[str, Any], *, adopted: bool = False) -> AgentError | None:
    """Return why a statement failed; ``None`` if it has not."""
    status = part(statement, "status")
    state = str(status.get("state") or "")
    if state not in ("FAILED", "CANCELED"):
        return None
    error = part(status, "error")
    code = str(error.get("error_code") or ("CANCELLED" if state == "CANCELED" else "UNKNOWN"))
    advice = STATEMENT_ERRORS.get(code, _UNKNOWN)
    if state == "CANCELED" and adopted:
        again = "The statement was cancelled while its create was repeated; the next attempt makes a new one."
        advice = Advice(RetryableError, again)
    message = str(error.get("message") or state.lower()).strip()
    made: AgentError = advice.error(
        f"Databricks {code}: {message}\n{advice.text}", code=code_of(code)
    )
    return made


async def _outputs(calls: Calls, meta: DatabricksJobMeta, statement: Mapping[str, Any]) -> Any:
    if part(statement, "status").get("state") == "CLOSED":
        raise TaskError(
            "The statement succeeded, but its rows are gone: a warehouse keeps them for an hour. Write them to "
            "a table.",
            code="DATABRICKS.RESULT_GONE",
        )
    spec = OutputSpec.decode(meta.outputs)
    return checked(spec, await values_of(calls, statement, meta.result, meta.max_rows, spec))


def _resource(
    meta: DatabricksJobMeta,
    statement: Mapping[str, Any],
    phase: Phase,
    failure: AgentError | None = None,
    outputs: Any = None,
) -> Resource:
    from .phases import phase_of

    return Resource(
        phase=phase if failure is None else phase_of("", failure),
        message=str(failure) if failure else _message(statement),
        links=statement_links(meta.host, meta.run_id),
        outputs=outputs,
        custom_info=figures(statement),
        error_code=failure.code if failure else None,
    )


def _message(statement: Mapping[str, Any]) -> str:
    state = str(part(statement, "status").get("state") or "unknown")
    return "waits for the warehouse" if state == "PENDING" else state.lower()


def figures(statement: Mapping[str, Any]) -> dict[str, Any]:
    """Return the statement's figures; what is not known is left out."""
    manifest = part(statement, "manifest")
    found = {
        "statement_id": statement.get("statement_id"),
        "state": part(statement, "status").get("state"),
        "rows": integer(manifest.get("total_row_count")),
        "bytes": integer(manifest.get("total_byte_count")),
        "truncated": manifest.get("truncated") or None,
    }
    return {name: value for name, value in found.items() if value is not None}
