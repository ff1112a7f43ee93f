"""The demo runs workflows as they are registered, node by node."""

from __future__ import annotations

import asyncio
from typing import Any, Optional

import msgpack
import pytest
from flyteidl.core import literals_pb2 as lit
from flytekit import workflow
from rich.console import Console

from flyte_agent_server.demo import data
from flyte_agent_server.demo.brief import brief, figures_of
from flyte_agent_server.demo.screen import Screen
from flyte_agent_server.demo.workflows import compile_workflow, execute
from flyte_agent_server.errors import DemoError


def word(text: str) -> lit.Literal:
    return lit.Literal(scalar=lit.Scalar(primitive=lit.Primitive(string_value=text)))


def packed(value: Any) -> lit.Literal:
    binary = lit.Binary(value=msgpack.packb(value), tag="msgpack")
    return lit.Literal(scalar=lit.Scalar(binary=binary))


def run(flow: Any, answer: Any, **inputs: lit.Literal) -> lit.LiteralMap:
    return asyncio.run(execute(compile_workflow(flow), lit.LiteralMap(literals=inputs), answer))


def reference_task(name: str, outputs: Any = None, **inputs: Any) -> Any:
    from flyte_agent_reference.agent import ReferenceConfig
    from flyte_agent_reference.task import ReferenceTask

    return ReferenceTask(f"wf.{name}", ReferenceConfig(), inputs, outputs or {"o": str})


def test_nodes_run_when_what_they_need_is_there_and_side_by_side_when_they_can() -> None:
    left, right = reference_task("left"), reference_task("right")
    join = reference_task("join", both=list[str], named=dict[str, str], extra=str)

    @workflow
    def flow(given: str) -> str:
        a, b = left(), right()
        return join(both=[a, b], named={"a": a, "given": given}, extra="e")

    together = asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None
    seen: dict[str, lit.LiteralMap] = {}

    async def answer(node: str, template: Any, inputs: lit.LiteralMap) -> lit.LiteralMap:
        name = template.id.name
        seen[name] = inputs
        if name != "wf.join" and together is not None:
            await together.wait()  # would hang if the two ran one after the other
        return lit.LiteralMap(literals={"o": word(name)})

    result = run(flow, answer, given=word("g"))
    assert brief(result.literals["o0"]) == "'wf.join'"
    bound = seen["wf.join"].literals
    assert [brief(x) for x in bound["both"].collection.literals] == ["'wf.left'", "'wf.right'"]
    assert {n: brief(x) for n, x in bound["named"].map.literals.items()} == {
        "a": "'wf.left'",
        "given": "'g'",
    }
    assert brief(bound["extra"]) == "'e'"


def test_a_failure_ends_what_runs_beside_it() -> None:
    fails, waits = reference_task("fails"), reference_task("waits")
    ended = []

    @workflow
    def flow() -> tuple[str, str]:
        return fails(), waits()

    async def answer(node: str, template: Any, inputs: lit.LiteralMap) -> lit.LiteralMap:
        if template.id.name == "wf.fails":
            raise DemoError("it failed")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(template.id.name)
        raise AssertionError("unreachable")

    with pytest.raises(DemoError, match="it failed"):
        run(flow, answer)
    assert ended == ["wf.waits"]


def test_what_is_no_task_is_refused() -> None:
    inner_task = reference_task("inner")

    @workflow
    def inner() -> str:
        return inner_task()

    @workflow
    def outer() -> str:
        return inner()

    with pytest.raises(DemoError, match="is a workflow_node"):
        compile_workflow(outer)


def test_parts_of_outputs_are_refused() -> None:
    source, sink = reference_task("source", outputs={"o": list[str]}), reference_task("k", text=str)

    @workflow
    def flow() -> str:
        return sink(text=source()[0])

    async def answer(node: str, template: Any, inputs: lit.LiteralMap) -> lit.LiteralMap:
        return lit.LiteralMap(literals={"o": lit.Literal()})

    with pytest.raises(DemoError, match="parts of outputs"):
        run(flow, answer)


@pytest.mark.parametrize(
    ("literal", "said"),
    [
        (word("x" * 200), "'" + "x" * 98 + "…"),
        (lit.Literal(scalar=lit.Scalar(primitive=lit.Primitive(integer=3))), "3"),
        (lit.Literal(collection=lit.LiteralCollection(literals=[word("a")])), "1 items"),
        (lit.Literal(map=lit.LiteralMap(literals={"a": word("a")})), "a='a'"),
        (lit.Literal(scalar=lit.Scalar(none_type=lit.Void())), "None"),
        (lit.Literal(scalar=lit.Scalar(blob=lit.Blob(uri="s3://b/k"))), "s3://b/k"),
        (lit.Literal(scalar=lit.Scalar(union=lit.Union(value=word("a")))), "'a'"),
        (packed({"ok": True, "rows": [1, 2]}), "ok=True, rows=2 items"),
        (packed([1, 2]), "2 items"),
    ],
)
def test_values_are_told_in_a_few_words(literal: lit.Literal, said: str) -> None:
    assert brief(literal) == said


def test_what_cannot_be_told_says_so() -> None:
    binary = lit.Literal(scalar=lit.Scalar(binary=lit.Binary(tag="odd")))
    assert brief(binary).startswith("found binary data tagged 'odd'")


def test_moments_are_told_as_dates() -> None:
    literal = lit.Literal()
    literal.scalar.primitive.datetime.FromSeconds(0)
    assert brief(literal) == "1970-01-01 00:00:00+00:00"


def test_figures_are_what_is_a_number() -> None:
    info = {"slot_ms": 1204.0, "cost_usd": 0.000123, "state": "DONE", "hit": True, "tables": ["a"]}
    assert figures_of(info) == "cost usd 0.000123, slot ms 1,204"


def test_the_data_is_the_flights_of_2013(tmp_path: Any) -> None:
    data.unpack(tmp_path)
    names = {"flights.csv", "weather.csv", "airlines.csv", "airports.csv", "planes.csv"}
    assert names <= {path.name for path in tmp_path.iterdir()}
    with tmp_path.joinpath("flights.csv").open() as lines:
        assert next(lines).startswith("year,month,day,dep_time")
        assert sum(1 for _ in lines) == 336_776


def test_a_terminal_shows_what_is_running(capsys: Any) -> None:
    console = Console(force_terminal=True, width=80, _environ={"TERM": "xterm"})
    screen = Screen(console)
    screen.busy(["load", "check"])
    screen.busy(["check"])
    screen.busy([])
    screen.busy([])
    shown = capsys.readouterr().out
    assert "running: check" in shown
    assert "\x1b[" in shown


def test_an_empty_table_is_a_title(capsys: Any) -> None:
    value: Optional[str] = None
    Screen(Console(width=80)).table("Nothing", [])
    Screen(Console(width=80)).table("Odd", [{"a": value, "b": True}])
    assert "None" in capsys.readouterr().out
