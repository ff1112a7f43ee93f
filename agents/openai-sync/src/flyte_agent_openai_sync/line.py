"""A line to one model: waits for its turn, asks again what may be asked again, and counts what it costs."""

from __future__ import annotations

import dataclasses
import random
from typing import TYPE_CHECKING, Any

from flyte_agent_core import AgentError, RetryableError, observe

from . import settings
from .errors import QuotaExhausted, RateLimited, Unanswered
from .ledger import check
from .usage import Usage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .account import Account
    from .calls import Call
    from .client import OpenAIClient
    from .config import OpenAIConfig
    from .desk import Desk
    from .receipt import Tally
    from .reply import Reply

PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Waits between two tries of a request that the server failed to answer."""

_LEAST_S = 0.02
_ANSWER_TOKENS = 1024


@dataclasses.dataclass
class Line:
    """
    One target of one attempt.

    Attributes:
        desk: What all calls share.
        call: The call it is answered in.
        client: The account's client.
        account: Whose key.
        model: Its name.
        config: The task's.
        tally: What the attempt has cost so far.
        project: The Flyte project, for fairness.
        execution: The execution, for its ceilings.
        share: Part of the remaining time it may use; a fallback that follows gets the rest.
    """

    desk: Desk
    call: Call
    client: OpenAIClient
    account: Account
    model: str
    config: OpenAIConfig
    tally: Tally
    project: str
    execution: str
    share: float = 1.0

    def __post_init__(self) -> None:
        """Note when its time is over."""
        self._pace = self.desk.pace(self.account, self.model)
        self._ends_s = self.desk.clock.monotonic() + self.call.remaining_s() * self.share
        self._is_last = self.share >= 1.0

    def remaining_s(self) -> float:
        """Return the seconds that may still be used here; a fallback that follows gets the others."""
        left_s = self.call.remaining_s()
        return left_s if self._is_last else min(left_s, self._ends_s - self.desk.clock.monotonic())

    async def ask(
        self, method: str, body: dict[str, Any], send: Callable[[dict[str, Any], float], Awaitable[Reply]],
        expected: Usage, extra: Usage | None = None,
    ) -> Reply:  # fmt: skip
        """
        Ask, as often as needed and possible, and count the answer.

        Args:
            method: What is asked, for traces.
            body: The request.
            send: Sends it.
            expected: About what it will use.
            extra: What it uses that answers do not say.

        Raises:
            AgentError: There is no answer.
        """
        self.desk.breaker.check(self.account.digest)
        used = self.desk.ledger.used(self.execution)
        check(self.config, self.tally, used, self.model, expected)
        attributes = {
            "gen_ai.operation.name": method,
            "gen_ai.request.model": self.model,
            "gen_ai.provider.name": "azure.ai.openai"
            if self.account.provider == "azure"
            else "openai",
        }
        with observe.span(f"{method} {self.model}", **attributes):
            # Limits in tokens count the prompt and what the answer may have at most, if the request says so.
            counted = expected.input_tokens + (self.config.max_output_tokens or 0)
            reply = await self._until_answered(body, send, float(counted))
            self.desk.breaker.close(self.account.digest)
            tokens, usd = self.tally.add(self.model, reply, extra)
            self.desk.ledger.add(self.execution, tokens, usd)
        return reply

    async def _until_answered(
        self, body: dict[str, Any], send: Callable[[dict[str, Any], float], Awaitable[Reply]], tokens: float
    ) -> Reply:  # fmt: skip
        pauses = list(PAUSES_S)
        while True:
            if self.call.remaining_s() <= 0:
                raise Unanswered("time was up before it could be asked", code="OPENAI.DEADLINE")
            self.call.doing = f"waiting for its turn at {self.model}"
            self.tally.waited_s += await self._pace.turn(self.project, tokens, self.remaining_s())
            try:
                return await self._once(body, send, tokens)
            except (RateLimited, RetryableError) as error:
                await self._wait_after(error, pauses)

    async def _once(
        self, body: dict[str, Any], send: Callable[[dict[str, Any], float], Awaitable[Reply]], tokens: float
    ) -> Reply:  # fmt: skip
        self.call.doing = f"waiting for the answer of {self.model}"
        linger_s = settings.number("LINGER_S") if self._is_last else 0.0
        self.desk.in_flight += 1
        try:
            reply = await send(dict(body), max(_LEAST_S, self.remaining_s()) + linger_s)
        except QuotaExhausted as error:
            self._pace.failed(tokens)
            self.desk.breaker.open(self.account.digest, error)
            raise
        except RateLimited as error:
            self._pace.refuse(tokens, _headers(error), error.retry_after_s)
            raise
        except BaseException:
            self._pace.failed(tokens)
            raise
        finally:
            self.desk.in_flight -= 1
        self._pace.answered(tokens, reply.headers)
        return reply

    async def _wait_after(self, error: AgentError, pauses: list[float]) -> None:
        """
        Wait before the next try.

        Raises:
            AgentError: There is none: no time is left, or the server forbids it.
        """
        limited = isinstance(error, RateLimited)
        headers = _headers(error)
        pause_s = pauses.pop(0) * random.uniform(0.8, 1.2) if pauses else None  # noqa: S311  # spreads load
        if limited and pause_s is None:
            pause_s = PAUSES_S[-1]
        wait_s = max(pause_s or 0.0, error.retry_after_s or 0.0)
        forbidden = headers.get("x-should-retry", "").lower() == "false"
        if pause_s is None or forbidden or wait_s + _LEAST_S > self.remaining_s():
            raise _given_up(error, wait_s)
        self.call.doing = (
            f"waiting {wait_s:.1f} s before it asks {self.model} again, since: {error}"
        )
        self.tally.retries += 1
        self.tally.waited_s += wait_s
        await self.desk.clock.sleep(wait_s)


def _given_up(error: AgentError, wait_s: float) -> AgentError:
    asked = f" The server asks to wait {error.retry_after_s:.0f} s." if error.retry_after_s else ""
    error.args = (f"{error}{asked}",)
    error.retry_after_s = error.retry_after_s or wait_s
    return error


def _headers(error: BaseException) -> Any:
    response = getattr(error.__cause__, "response", None)
    return {
        name.lower(): value for name, value in (getattr(response, "headers", None) or {}).items()
    }


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has: three bytes each, so that prose is not underestimated."""
    return len(text.encode("utf-8", "replace")) // 3 + 8


def expected_of(prompt_tokens: int, config: OpenAIConfig) -> Usage:
    """Return about what a question uses."""
    return Usage(
        input_tokens=prompt_tokens, output_tokens=config.max_output_tokens or _ANSWER_TOKENS
    )
