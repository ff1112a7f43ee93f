"""The kiln's stand-in."""

from __future__ import annotations

from typing import Any

from flyte_agent_testing.server import FakeServer, Reply, ReplyError, Request, route

OVER = {"fired", "cracked", "quenched"}


class FakeKiln(FakeServer):
    """Fires when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.firings: dict[str, dict[str, Any]] = {}

    @route("PUT", "/firings/{firing}", inline=True)
    def fire(self, request: Request, firing: str) -> Reply:
        order = request.json
        if order["degrees"] > 10_000 and order["clay"] == "porcelain":
            return Reply(400, {"error": {"message": "degrees: porcelain melts at 1800"}})
        made = {"order": order, "state": "firing", "note": ""}
        return Reply(200, self.firings.setdefault(firing, made))

    @route("GET", "/firings/{firing}", inline=True)
    def look(self, request: Request, firing: str) -> Reply:
        return Reply(200, self.found(firing))

    @route("POST", "/firings/{firing}/quench", inline=True)
    def quench(self, request: Request, firing: str) -> Reply:
        found = self.found(firing)
        if found["state"] not in OVER:
            found["state"] = "quenched"
        return Reply(200, found)

    def found(self, firing: str) -> dict[str, Any]:
        if firing not in self.firings:
            raise ReplyError(Reply(404, {"error": {"message": f"no firing {firing}"}}))
        return self.firings[firing]
