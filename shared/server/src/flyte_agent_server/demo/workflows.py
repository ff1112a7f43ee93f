"""
A flytekit workflow, run as propeller runs it.

The workflow is compiled as for a cluster; its nodes run as soon as what they need is there, each
with its real task template and with inputs bound from the outputs of others.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from flyteidl.core.literals_pb2 import BindingData, Literal, LiteralCollection, LiteralMap

from flyte_agent_server.errors import DemoError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from flyteidl.core.tasks_pb2 import TaskTemplate
    from flyteidl.core.workflow_pb2 import Node

START = ""
"""Flyte's name of the node whose outputs are the workflow's inputs."""


@dataclasses.dataclass(frozen=True)
class Compiled:
    """
    A workflow as Flyte has it.

    Attributes:
        nodes: By id.
        templates: What each node runs, by the node's id.
        outputs: What the workflow's outputs are bound to.
    """

    name: str
    nodes: dict[str, Node]
    templates: dict[str, TaskTemplate]
    outputs: dict[str, BindingData]


def compile_workflow(workflow: Any) -> Compiled:
    """
    Return ``workflow`` as it would be registered.

    Raises:
        DemoError: It has nodes of other kinds than tasks, which are not for agents to run.
    """
    from flytekit.configuration import Image, ImageConfig, SerializationSettings
    from flytekit.tools.translator import get_serializable

    image = Image(name="unused", fqn="unused", tag="unused")  # agents run no container
    settings = SerializationSettings(
        ImageConfig(image), project="flyte-agents", domain="demo", version="1"
    )
    entities: OrderedDict[Any, Any] = OrderedDict()
    spec = get_serializable(entities, settings, workflow).template.to_flyte_idl()
    known = {
        each.template.id.name: each.template.to_flyte_idl()
        for each in entities.values()
        if hasattr(each, "template") and hasattr(each.template, "custom")
    }
    nodes = {node.id: node for node in spec.nodes}
    templates = {node.id: known[_task_name(node)] for node in nodes.values()}
    return Compiled(
        spec.id.name, nodes, templates, {each.var: each.binding for each in spec.outputs}
    )


def _task_name(node: Node) -> str:
    if node.WhichOneof("target") != "task_node":
        raise DemoError(
            f"node {node.id} is a {node.WhichOneof('target')}; the demo runs workflows of tasks "
            "only"
        )
    name: str = node.task_node.reference_id.name
    return name


async def execute(
    compiled: Compiled,
    inputs: LiteralMap,
    run_task: Callable[[str, TaskTemplate, LiteralMap], Awaitable[LiteralMap]],
) -> LiteralMap:
    """
    Run every node once what it needs is there, and return the workflow's outputs.

    Args:
        compiled: The workflow.
        inputs: Its inputs.
        run_task: Runs one task, given the node's id, the template and the inputs, and returns the
            outputs. What it raises ends the workflow, after the nodes that run already.
    """
    results: dict[str, LiteralMap] = {START: inputs}
    done = {name: asyncio.Event() for name in compiled.nodes}

    async def run(node: Node) -> None:
        await asyncio.gather(*(done[name].wait() for name in node.upstream_node_ids if name))
        bound = {each.var: literal_of(each.binding, results) for each in node.inputs}
        template = compiled.templates[node.id]
        results[node.id] = await run_task(node.id, template, LiteralMap(literals=bound))
        done[node.id].set()

    await _all([run(node) for node in compiled.nodes.values()])
    literals = {name: literal_of(b, results) for name, b in compiled.outputs.items()}
    return LiteralMap(literals=literals)


async def _all(work: list[Any]) -> None:
    """Do everything; when one fails, cancel the others, wait for them and raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def literal_of(binding: BindingData, results: Mapping[str, LiteralMap]) -> Literal:
    """
    Return what an input is bound to.

    Raises:
        DemoError: It is a part of an output (``result.field``), which is not resolved here.
    """
    kind = binding.WhichOneof("value")
    if kind == "scalar":
        return Literal(scalar=binding.scalar)
    if kind == "collection":
        items = [literal_of(each, results) for each in binding.collection.bindings]
        return Literal(collection=LiteralCollection(literals=items))
    if kind == "map":
        values = {name: literal_of(b, results) for name, b in binding.map.bindings.items()}
        return Literal(map=LiteralMap(literals=values))
    if binding.promise.attr_path:
        raise DemoError(f"the demo does not resolve parts of outputs: {binding.promise}")
    return results[binding.promise.node_id].literals[binding.promise.var]
