"""``flyte-agent demo``."""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from flyte_agent_server import sandbox
from flyte_agent_server.settings import Settings
from flyte_agent_server.startup import assemble

from .serve import must_serve_something

if TYPE_CHECKING:
    from flyte_agent_server.demo.chapters import Chapter
    from flyte_agent_server.demo.narrator import Narrator
    from flyte_agent_server.demo.screen import Screen
    from flyte_agent_server.startup import Assembly


def run(*, wanted: tuple[str, ...], unwanted: tuple[str, ...]) -> int:
    """Tell the story with the agents that are installed; the exit code is 1 if it went wrong."""
    started_s = time.monotonic()
    from flyte_agent_server.demo import chapters, data
    from flyte_agent_server.demo.screen import Screen

    screen = Screen()
    screen.say(
        "[bold]flyte-agent demo[/]: a real workflow through a real agent service, all of it here"
    )
    assembly = assemble(wanted, unwanted, log_level="ERROR")
    must_serve_something(assembly)
    names = [each.candidate.name for each in assembly.loaded if each.agents]
    told = chapters.find(names)
    with (
        tempfile.TemporaryDirectory(prefix="flyte-agent-demo-") as folder,
        sandbox.running(names) as started,
    ):
        files = data.unpack(Path(folder))
        for each in started:
            screen.fact(each.sandbox.title, each.stand_in.url, each.sandbox.about)
        screen.fact("data", data.SOURCE)
        asyncio.run(_tell(screen, assembly, started, told, files))
    _close(screen, told, time.monotonic() - started_s)
    return 0


async def _tell(
    screen: Screen,
    assembly: Assembly,
    started: list[sandbox.Running],
    told: list[Chapter],
    files: Path,
) -> None:
    from flyte_agent_server.demo.narrator import Narrator
    from flyte_agent_server.service import AgentService

    narrator = Narrator(screen, files, {each.name: each.stand_in.url for each in started})
    # The propeller here looks many times a second: each look is to show what is true by then.
    settings = Settings("127.0.0.1", 0, metrics_port=None, grace_s=5.0, poll_fresh_s=0.0)
    async with AgentService(assembly.catalogue, settings) as service:
        address = f"127.0.0.1:{service.port}"
        screen.fact("agent service", f"grpc {address}", ", ".join(assembly.catalogue.task_types))
        screen.fact("propeller", "simulated", "calls the service as Flyte's own does, faster")
        async with narrator.conducting(address):
            for chapter in told:
                await _tell_chapter(screen, narrator, chapter)


async def _tell_chapter(screen: Screen, narrator: Narrator, chapter: Chapter) -> None:
    from rich.markup import escape

    screen.title(chapter.title)
    missing = [name for name in chapter.requires if name not in narrator.urls]
    if missing:
        lacking = " ".join(f"'flyte-agent-{name}[local]'" for name in missing)
        screen.say(f"  left out; to see it: pip install {escape(lacking)}")
        return
    await chapter.tell(narrator)


def _close(screen: Screen, told: list[Chapter], took_s: float) -> None:
    screen.title("What to try next")
    for chapter in told:
        for line in chapter.try_next:
            screen.say(f"  {line}")
    screen.say(f"\n[dim]{took_s:.1f} s; nothing is left running.[/]")
