"""Being inside the guard: what one call of an agent's method has around it."""

from __future__ import annotations

import contextlib
import contextvars
from typing import TYPE_CHECKING, Any

from flyte_agent_core import observe, rpc

if TYPE_CHECKING:
    from types import TracebackType

    from flyte_agent_core.agent import AsyncAgent, SyncAgent

_inside: contextvars.ContextVar[bool] = contextvars.ContextVar("flyte_agent_guarded", default=False)


def is_inside() -> bool:
    """Whether the caller is already guarded, as when a method calls the one it overrides."""
    return _inside.get()


class Entry:
    """
    Guarded from here on: a deadline if nobody gave one, a span if traces are wanted.

    A class and not a generator: every poll enters it, and mostly there is nothing to put around.
    """

    __slots__ = ("_agent", "_around", "_execution", "_operation", "_token")

    def __init__(
        self, operation: str, agent: AsyncAgent[Any] | SyncAgent, origin: str = ""
    ) -> None:
        self._operation, self._agent = operation, agent
        self._execution = origin.rpartition("/")[2] if origin else ""
        self._around: contextlib.ExitStack | None = None

    def __enter__(self) -> None:
        """Go in."""
        call = rpc.current()
        if call is not None and self._execution:
            call.execution = self._execution
        if call is None or observe.is_traced():
            self._around = self._surroundings()
        self._token = _inside.set(True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Go out."""
        _inside.reset(self._token)
        if self._around is not None:
            self._around.__exit__(kind, error, trace)

    def _surroundings(self) -> contextlib.ExitStack:
        agent, name = self._agent, f"{self._agent.name}.{self._operation}"
        with contextlib.ExitStack() as stack:
            stack.enter_context(rpc.within(self._operation))
            stack.enter_context(
                observe.span(name, task_type=agent.served_type, execution=self._execution)
            )
            return stack.pop_all()
