"""A stand-in that answers every request with nothing, and the agent's part of the demo."""

from __future__ import annotations

import http.server
import threading
from typing import Any

from flytekit import workflow
from flytekit.core.node_creation import create_node

from .agent import EchoConfig, ReferenceConfig
from .task import EchoTask, ReferenceTask


class _StandIn:
    def __init__(self, port: int) -> None:
        handler = http.server.BaseHTTPRequestHandler
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def environment(self) -> dict[str, str]:
        return {"REFERENCE_HOST": self.url, "REFERENCE_WORDS": "two words"}

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class ReferenceSandbox:
    title = "Reference"
    about = "a web server that says no"
    default_port = 0

    def start(self, port: int) -> _StandIn:
        return _StandIn(port)


make = ReferenceTask("jobs.make", ReferenceConfig(output_bytes=5), {}, {"text": str})
use = ReferenceTask(
    "jobs.use", ReferenceConfig(output_bytes=7), {"text": str, "more": list[str]}, {"text": str}
)
after = EchoTask("jobs.after", EchoConfig(message="over"))
wrong = ReferenceTask("jobs.wrong", ReferenceConfig(create="user error"), {}, {})


@workflow
def story(word: str = "w") -> tuple[str, str]:
    first = make()
    second = use(text=first, more=[word, first])
    second.ref.node >> create_node(after)
    return first, second


@workflow
def mistake() -> None:
    wrong()


class ReferenceChapter:
    order = 20
    title = "A job is made and used"
    requires = ("reference",)
    try_next = ("read the code",)

    async def tell(self, story_: Any) -> None:
        story_.say("[bold]It begins.[/]")
        made = await story_.run(story, word="x")
        story_.table("Results", [{"n": 1234, "share": 2.0, "text": text} for text in made.values()])
        story_.code("SELECT 1", "sql")
        said = await story_.run_into_error(mistake)
        story_.say(f"The user reads: {said}")
        assert story_.data.joinpath("flights.csv").is_file()


class LaterChapter:
    order = 30
    title = "Something else"
    requires = ("elsewhere",)
    try_next = ()

    async def tell(self, story_: Any) -> None:
        raise AssertionError("its stand-in does not run")


class NoMistakeChapter(ReferenceChapter):
    async def tell(self, story_: Any) -> None:
        await story_.run_into_error(story)


large = ReferenceTask("jobs.large", ReferenceConfig(meta_bytes=5000), {}, {})


@workflow
def careless() -> None:
    large()


class CarelessChapter(ReferenceChapter):
    async def tell(self, story_: Any) -> None:
        await story_.run(careless)


class BrokenChapter(ReferenceChapter):
    async def tell(self, story_: Any) -> None:
        await story_.run(mistake)
