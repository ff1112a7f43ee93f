"""What an attempt cost: counted as soon as an answer is there, before anybody looks whether it is good."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any, Optional

from . import prices
from .usage import Usage, usage_in

if TYPE_CHECKING:
    from .reply import Reply


@dataclasses.dataclass
class Receipt:
    """
    What an attempt cost, as an output of its task.

    Attributes:
        model: The model that answered, as the provider names it.
        input_tokens: Tokens of all prompts, the cached ones included.
        cached_tokens: Those that the provider had seen before.
        output_tokens: Tokens of all answers, those of reasoning included.
        reasoning_tokens: Those that were thought and not said.
        total_tokens: Prompts and answers.
        cost_usd: US dollars by the price table; ``None`` when the model has no price there.
        calls: Requests that were answered, those to repair an answer included.
        retries: Requests that were refused or failed before.
        waited_s: Seconds waited for a turn and between requests.
        took_s: Seconds the provider took.
        request_id: The provider's id of the last request.
        response_id: The id of the answer.
        system_fingerprint: What the provider ran the model on.
        service_tier: The tier that answered.
    """

    model: str = ""
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    cost_usd: Optional[float] = None  # noqa: UP045  # flytekit reads the hints on Python 3.10 too
    calls: int = 0
    retries: int = 0
    waited_s: float = 0.0
    took_s: float = 0.0
    request_id: str = ""
    response_id: str = ""
    system_fingerprint: str = ""
    service_tier: str = ""


@dataclasses.dataclass
class Tally:
    """Adds up the calls of one attempt."""

    usage: Usage = dataclasses.field(default_factory=Usage)
    cost_usd: float | None = None
    calls: int = 0
    retries: int = 0
    waited_s: float = 0.0
    took_s: float = 0.0
    last: dict[str, str] = dataclasses.field(default_factory=dict)

    def add(self, model: str, reply: Reply, extra: Usage | None = None) -> tuple[int, float]:
        """Count an answer; return its tokens and dollars."""
        usage = usage_in(reply.body) + (extra or Usage())
        tier = str(reply.body.get("service_tier") or "")
        usd = prices.cost_usd(model, usage, tier)
        self.usage += usage
        self.cost_usd = self.cost_usd if usd is None else (self.cost_usd or 0.0) + usd
        self.calls += 1
        self.took_s += reply.took_s
        self.last = {
            "model": str(reply.body.get("model") or model),
            "request_id": reply.request_id,
            "response_id": str(reply.body.get("id") or ""),
            "system_fingerprint": str(reply.body.get("system_fingerprint") or ""),
            "service_tier": tier,
        }
        _trace(self.last, usage)
        return usage.total_tokens, usd or 0.0

    def receipt(self) -> Receipt:
        """Return what it cost so far."""
        usage = self.usage
        return Receipt(
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            total_tokens=usage.total_tokens,
            cost_usd=None if self.cost_usd is None else round(self.cost_usd, 9),
            calls=self.calls,
            retries=self.retries,
            waited_s=round(self.waited_s, 3),
            took_s=round(self.took_s, 3),
            **self.last,
        )

    def info(self) -> dict[str, Any]:
        """Return the receipt for the task's page in Flyte, without what is empty."""
        return {name: value for name, value in dataclasses.asdict(self.receipt()).items() if value}


def _trace(last: dict[str, str], usage: Usage) -> None:
    """
    Write what was used to the current span, if the service makes any.

    Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/
    """
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return
    attributes = {
        "gen_ai.response.model": last["model"],
        "gen_ai.response.id": last["response_id"],
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
    }
    trace.get_current_span().set_attributes({name: v for name, v in attributes.items() if v})
