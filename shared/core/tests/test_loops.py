"""Things that belong to one event loop."""

from __future__ import annotations

import asyncio
import gc

from flyte_agent_core.loops import PerLoop


class Line:
    """Something to be closed."""

    def __init__(self) -> None:
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False


async def twice(lines: PerLoop[Line]) -> tuple[Line, Line]:
    return await lines.get(), await lines.get()


def test_it_is_made_once_for_a_loop_and_closed_when_that_ends() -> None:
    lines = PerLoop(Line, Line.close)
    first, same = asyncio.run(twice(lines))
    assert first is same
    assert not first.is_open


def test_each_loop_has_its_own() -> None:
    lines = PerLoop(Line, Line.close)
    made = [asyncio.run(twice(lines))[0] for _ in range(5)]
    assert len({id(line) for line in made}) == 5


def test_those_who_ask_together_get_the_same() -> None:
    lines = PerLoop(Line, Line.close)

    async def all_at_once() -> list[Line]:
        return await asyncio.gather(*(lines.get() for _ in range(5)))

    assert len(set(map(id, asyncio.run(all_at_once())))) == 1


def test_it_is_closed_when_nobody_holds_it_any_more() -> None:
    async def dropped() -> bool:
        lines = PerLoop(Line, Line.close)
        line = await lines.get()
        del lines
        gc.collect()
        for _ in range(100):
            await asyncio.sleep(0)
        return not line.is_open

    assert asyncio.run(dropped())
