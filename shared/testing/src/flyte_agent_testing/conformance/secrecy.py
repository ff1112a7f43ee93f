"""Secrets, and the log: a life in which much goes wrong, and what was said about it."""

from __future__ import annotations

import base64
import contextlib
import urllib.parse
from typing import TYPE_CHECKING

from .base import Conformance, TaskConformance
from .checks import AgentRaised, Broken, check, expect
from .records import recorded

if TYPE_CHECKING:
    from .bench import Bench


class SecretChecks(Conformance):
    """What leaves the agent must not hold a credential, and must not break the logger."""

    async def eventful_life(self, bench: Bench, canary: str) -> list[tuple[str, str]]:
        """Let what can go wrong go wrong, in words with the credential; return what was said where."""
        raise NotImplementedError

    @check
    async def test_no_secret_leaves_the_agent(self, bench: Bench, canary: str) -> None:
        """
        No credential stands in metadata, log, messages, links or custom_info.

        Flyte: writes metadata into its log and its database, and shows the rest to everybody who
        may see the execution.

        Troubleshooting: keep the secret's name and resolve it in each call
        (`attempt.secret(name)`); log ids, not requests; pass the vendor's words through
        `flyte_agent_core.secrets.redact`, which masks what was resolved.
        """
        with recorded() as records:
            said = await self.eventful_life(bench, canary or "no secret")
            await bench.settle()
        said += [("the log", text) for text in records.texts]
        for where, text in said if canary else ():
            hidden = next((form for form in _forms(canary) if form in text), "")
            expect(not hidden, f"let the credential out in {where}: {_around(text, hidden)}")

    @check
    async def test_logging_raises_nothing(self, bench: Bench, canary: str) -> None:
        """
        Everything the agent logs, at any level, can be formatted.

        Flyte: sees an exception in a log call as a failed poll; flytekit's own handler raises it
        where the call stands.

        Troubleshooting: one `%s` for each argument: `logger.error("job failed: %s", error)`.
        """
        with recorded() as records:
            await self.eventful_life(bench, canary or "no secret")
        expect(not records.broken, f"cannot log: {'; '.join(records.broken[:3])}")


class TaskSecretChecks(SecretChecks, TaskConformance):
    """The same for an agent with create, get and delete."""

    async def eventful_life(self, bench: Bench, canary: str) -> list[tuple[str, str]]:
        """Let what can go wrong go wrong, in words with the credential; return what was said where."""
        meta = await bench.first.create(bench.task)
        said = [("metadata", meta.decode("utf-8", "replace"))]
        for fault in ("", *self.transient_faults, "denied", "missing"):
            if fault:
                bench.backend.inject("get", fault, message=f"the token {canary} is not accepted")
            said += await _polled(bench, meta)
            bench.backend.heal()
        for fault in (*self.transient_faults, "denied"):
            bench.backend.inject("create", fault, times=None, message=f"bad token {canary}")
            said += await self._created(bench)
            bench.backend.heal()
        self.let_it_go_wrong(bench, f"cannot read with token {canary}")
        said += await _polled(bench, meta)
        with contextlib.suppress(AgentRaised):  # another check's business
            await bench.first.delete(meta)
        return said

    async def _created(self, bench: Bench) -> list[tuple[str, str]]:
        try:
            meta = await bench.first.create(bench.attempt(), deadline_s=self.deadline_s)
        except AgentRaised as raised:
            return [("an error of create", raised.text)]
        except Broken:  # it was late: another check's business
            return []
        return [("metadata", meta.decode("utf-8", "replace")), *await _polled(bench, meta)]


async def _polled(bench: Bench, meta: bytes) -> list[tuple[str, str]]:
    try:
        return (await bench.poll(meta)).shown()
    except AgentRaised as raised:
        return [("an error of get", raised.text)]
    except Broken as broken:  # late, or no phase: another check's business
        return [("an answer to get", str(broken))]


def _forms(secret: str) -> list[str]:
    raw = secret.encode()
    return [secret, base64.b64encode(raw).decode()[:-4], raw.hex(), urllib.parse.quote(secret)]


def _around(text: str, hidden: str) -> str:
    at = text.find(hidden)
    return repr(text[max(0, at - 60) : at + len(hidden) + 20])
