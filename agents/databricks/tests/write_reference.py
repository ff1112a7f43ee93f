"""Write ``docs/reference/databricks-states.md`` from the agent's own tables: ``python write_reference.py``."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable

from flyte_agent_core import RetryableError, TaskError
from flyte_agent_databricks import errors, phases
from flyte_agent_databricks.errors import Advice

PATH = pathlib.Path(__file__).parents[3] / "docs" / "reference" / "databricks-states.md"

HEAD = """\
# States and codes of Databricks

What Flyte makes of what Databricks says.
The page is written from the agent's tables, by `agents/databricks/tests/write_reference.py`.
Codes that a version does not know are judged by their type, unknown states keep being polled, with a warning.

"""


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |\n"


def table(title: str, about: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return one section."""
    names = list(head)
    made = row(*names) + row(*("---" for _ in names)) + "".join(row(*cells) for cells in rows)
    return f"## {title}\n\n{about}\n\n{made}\n"


def flyte(advice: Advice) -> str:
    """Return what Flyte does about it."""
    if issubclass(advice.error, RetryableError):
        return "tries again" + (
            f", after {advice.retry_after_s:.0f} s" if advice.retry_after_s else ""
        )
    return "FAILED" if issubclass(advice.error, TaskError) else "SUCCEEDED"


def advised(codes: dict[str, Advice]) -> list[tuple[str, str, str]]:
    return [(f"`{name}`", flyte(found), found.text) for name, found in sorted(codes.items())]


def phased(found: phases.PhaseTable) -> list[tuple[str, str]]:
    return [(f"`{state}`", found(state).name) for state in sorted(found.states)]


def text() -> str:
    """Return the page."""
    words = ("code", "Flyte", "what to do")
    sections = [
        table("Runs", "Life-cycle states; a run that has ended is judged by its result and its termination code.",
              ("state", "phase"), phased(phases.PHASES)),
        table("Terminations", "`status.termination_details.code` of a run or of a task of it. With the type "
              "`CLIENT_ERROR` these are FAILED: " + ", ".join(f"`{c}`" for c in sorted(errors.BY_TYPE)) + ".",
              words, advised(dict(errors.TERMINATIONS))),
        table("Results", "`state.result_state` of runs that say no code.", words, advised(dict(errors.RESULTS))),
        table("Types", "`status.termination_details.type`, for codes that this version does not know.",
              words, advised(dict(errors.TYPES))),
        table("Statements", "States of a statement on a SQL warehouse.", ("state", "phase"),
              phased(phases.STATEMENT_PHASES)),
        table("Refusals", "`error_code` of a request that Databricks refuses.", words, advised(dict(errors.REFUSALS))),
    ]  # fmt: skip
    return (HEAD + "".join(sections)).rstrip() + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), encoding="utf-8")
