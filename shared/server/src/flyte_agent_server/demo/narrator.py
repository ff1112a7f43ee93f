"""Runs workflows with the simulated propeller, and tells what happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING, Any

from flyteidl.core.literals_pb2 import LiteralMap
from google.protobuf.json_format import MessageToDict

from flyte_agent_core import Phase
from flyte_agent_server.errors import DemoError

from .brief import brief, figures_of
from .workflows import Compiled, compile_workflow, execute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from flyteidl.admin.agent_pb2 import Resource
    from flyteidl.core.tasks_pb2 import TaskTemplate

    from flyte_agent_testing.propeller import Outcome, SimulatedPropeller, Step

    from .screen import Screen


class _TaskFailedError(DemoError):
    """A task failed; the text is what its user reads."""


class Narrator:
    """
    The story that chapters are told with; see :class:`flyte_agent_server.demo.chapters.Story`.

    Args:
        screen: Where to show things.
        data: The folder with the story's files.
        urls: Where each stand-in answers.
    """

    def __init__(self, screen: Screen, data: Path, urls: Mapping[str, str]) -> None:
        self.data, self.urls = data, urls
        self.handover: dict[str, Any] = {}
        self._screen = screen
        self._propeller: SimulatedPropeller
        self._runs = itertools.count(1)
        self._names: dict[str, str] = {}
        self._shown: dict[str, tuple[str, str]] = {}
        self._linked: set[str] = set()

    @contextlib.asynccontextmanager
    async def conducting(self, address: str) -> AsyncIterator[None]:
        """
        Run what is told inside on the agent service at ``address``.

        Raises:
            DemoError: Propeller is not installed, or the service did what would hurt a real Flyte.
        """
        try:
            from flyte_agent_testing.propeller import Settings, SimulatedPropeller
        except ImportError as error:
            raise DemoError(
                f"the demo plays Flyte's propeller with flyte-agent-testing, and {error}: "
                "pip install 'flyte-agent-server[demo]'"
            ) from error
        settings = Settings(
            # Flyte looks every 30 s; nobody watches a demo for that long.
            resync_interval_s=0.2,
            round_interval_s=0.05,
            read_qps=1000.0,
            # As platforms are told to: the first call of an agent also loads the vendor's library.
            timeouts={"CreateTask": 60.0},
        )
        propeller = SimulatedPropeller(address, observer=self._observe, settings=settings)
        async with propeller as self._propeller:
            yield
            if propeller.violations:
                raise DemoError("\n".join(map(str, propeller.violations)))

    def say(self, text: str) -> None:
        """Tell the reader something."""
        self._screen.say(text)

    def code(self, text: str, language: str) -> None:
        """Show source code."""
        self._screen.code(text, language)

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show rows that have the same keys."""
        self._screen.table(title, rows)

    async def run(self, workflow: Any, **inputs: Any) -> dict[str, Any]:
        """Run a workflow and return its outputs as Python values."""
        from flytekit.core.context_manager import FlyteContextManager
        from flytekit.core.type_engine import TypeEngine
        from flytekit.models.literals import LiteralMap as LiteralMapModel

        compiled = compile_workflow(workflow)
        ctx = FlyteContextManager.current_context()
        interface = workflow.python_interface
        given = {**interface.default_inputs_as_kwargs, **inputs}
        bound = await TypeEngine.dict_to_literal_map_pb(ctx, given, interface.inputs)
        made = await self._execute(compiled, bound)
        model = LiteralMapModel.from_flyte_idl(made)
        values: dict[str, Any] = await asyncio.to_thread(
            TypeEngine.literal_map_to_kwargs, ctx, model, interface.outputs
        )
        return {name: values[name] for name in interface.outputs}

    async def run_into_error(self, workflow: Any, **inputs: Any) -> str:
        """Run a workflow that fails on purpose, and return the message that its user reads."""
        try:
            await self.run(workflow, **inputs)
        except _TaskFailedError as error:
            return str(error)
        raise DemoError(f"{workflow.name} was to fail and did not")

    async def _execute(self, compiled: Compiled, inputs: LiteralMap) -> LiteralMap:
        execution = f"demo{next(self._runs)}"

        async def run_task(node: str, template: TaskTemplate, bound: LiteralMap) -> LiteralMap:
            name = template.id.name.rpartition(".")[2]
            self._names[f"{execution}/{node}"] = name
            running.append(name)
            self._screen.busy(running)
            outcome = await self._run_task(execution, compiled.name, node, template, bound)
            running.remove(name)
            self._screen.busy(running)
            made = outcome.outputs or LiteralMap()
            for output, literal in made.literals.items():
                self._screen.step(name, "output", f"{output} = {brief(literal)}")
            return made

        running: list[str] = []
        try:
            return await execute(compiled, inputs, run_task)
        finally:
            self._screen.busy([])

    async def _run_task(
        self, execution: str, workflow: str, node: str, template: TaskTemplate, inputs: LiteralMap
    ) -> Outcome:
        from flyte_agent_testing.propeller import TaskRun

        run = TaskRun(
            template=template,
            inputs=inputs,
            node_id=node,
            execution=execution,
            workflow_name=workflow,
            project="flyte-agents",
            domain="demo",
        )
        outcome = await self._propeller.run(run)
        if not outcome.succeeded:
            raise _TaskFailedError(outcome.error_message)
        return outcome

    def _observe(self, step: Step) -> None:
        """Show one step of the propeller's, if it is news."""
        name = self._names.get(step.task, step.task)
        if step.kind == "create":
            self._screen.step(name, "CreateTask", f"answered with {step.text}")
        elif step.kind in {"fault", "violation"}:
            self._screen.step(name, step.kind, step.text)
        elif step.resource is not None:
            self._show_answer(name, step, step.resource)

    def _show_answer(self, name: str, step: Step, resource: Resource) -> None:
        news = (Phase(resource.phase).name, resource.message)
        if step.task not in self._linked and resource.log_links:
            self._linked.add(step.task)
            for link in resource.log_links:
                self._screen.step(name, "link", f"{link.name}: {link.uri}")
        if self._shown.get(step.task) != news:
            self._shown[step.task] = news
            self._screen.step(name, *news)
            if Phase(resource.phase).is_terminal:
                self._show_figures(name, resource)

    def _show_figures(self, name: str, resource: Resource) -> None:
        figures = figures_of(MessageToDict(resource.custom_info))
        if figures:
            self._screen.step(name, "statistics", figures)
