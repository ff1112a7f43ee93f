"""One attempt, from the request to its outputs: always answered, in time, and with what it cost."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import TYPE_CHECKING, Any

from flyte_agent_core import (
    AgentError,
    Phase,
    ProtocolError,
    Resource,
    RetryableError,
    TaskError,
    observe,
)
from flyte_agent_core.text import bounded, describe

from . import asked, credentials
from .account import account_of
from .answers import Truncated
from .errors import QuotaExhausted
from .files import write
from .kinds import KINDS
from .line import Line
from .links import links_of
from .made import literal_map
from .material import Material, gather
from .receipt import Tally

if TYPE_CHECKING:
    from flyte_agent_core import Attempt

    from .agent import OpenAIAgent
    from .calls import Call
    from .config import OpenAIRequest, Target

_log = logging.getLogger("flyte_agent.openai")

_SHARE = 0.5
"""Part of the time that a model gets while another one stands behind it."""

_NOT_HERE = ("OPENAI.MODEL_NOT_FOUND", "OPENAI.DEPLOYMENTNOTFOUND", "OPENAI.NOT_FOUND")


@dataclasses.dataclass
class Job:
    """
    One attempt on its way.

    Attributes:
        agent: Who does it.
        attempt: What Flyte asks.
        request: The same, read.
        call: The call it is answered in.
        tally: What it has cost so far.
        material: What the prompt is made of.
        address: Where it was asked last.
    """

    agent: OpenAIAgent
    attempt: Attempt
    request: OpenAIRequest
    call: Call
    tally: Tally
    material: Material = dataclasses.field(default_factory=lambda: Material({}, {}))
    address: str = ""

    def prompt(self) -> str:
        """Return the text of all messages."""
        return "\n\n".join(self.material.text_of(message) for message in self.request.messages)

    def is_list(self, output: str) -> bool:
        """Whether an output is declared as a list."""
        return isinstance(self.attempt.output_spec.kinds.get(output), list)

    def is_record(self, output: str) -> bool:
        """Whether an output is declared as a dataclass."""
        return self.attempt.output_spec.kinds.get(output) == "struct"

    @property
    def links(self) -> dict[str, str]:
        """Pages about the answer."""
        return (
            links_of(self.address, self.tally.last.get("response_id", "")) if self.address else {}
        )

    async def write(self, name: str, content: bytes) -> str:
        """Write a file beside the outputs of the attempt; return its address."""
        uri = f"{self.attempt.output_prefix.rstrip('/')}/{name}"
        await self.agent.blocking(write, uri, content)
        return uri


async def do(agent: OpenAIAgent, attempt: Attempt) -> Resource:
    """Return the answer to an attempt: the one that is kept, the one under way, or a new one."""
    request = asked.request_of(attempt)
    question = asked.question_key(attempt)
    mine = asked.attempt_key(attempt, question)
    desk = agent.desk
    if kept := await desk.kept.find(mine, question):
        return kept

    async def start(call: Call) -> Resource:
        tally = Tally()
        call.tally = tally
        resource = await _answered(Job(agent, attempt, request, call, tally))
        if resource.phase is Phase.SUCCEEDED:
            await desk.kept.keep(question, resource)
        elif tally.calls:
            await desk.kept.keep(mine, resource)
        if not call.asks:  # nobody will report it
            observe.report_use(agent, attempt.identity.origin, resource)
        return resource

    return await desk.calls.join(question, start, lambda call, _: _too_late(call))


def _too_late(call: Call) -> Resource:
    message = (
        f"time is up: it was {bounded(call.doing, 500)}. An answer that comes later is kept for a while, and the next "
        "attempt takes it. Allow more time for ExecuteTaskSync in propeller's configuration, or ask for less."
    )
    info = call.tally.info() if call.tally else {}
    return Resource(
        phase=Phase.RETRYABLE_FAILED, message=message, error_code="OPENAI.DEADLINE",
        custom_info={name: v for name, v in info.items() if name not in ("total_tokens", "cost_usd")},
    )  # fmt: skip


async def _answered(job: Job) -> Resource:
    """Return the answer, or the failure with what it cost nonetheless."""
    try:
        job.material = await gather(job.agent, job.attempt, job.request)
        values = await _from_one_of(job)
        receipt = dataclasses.asdict(job.tally.receipt())
        outputs = _outputs(job, values, receipt)
    except asyncio.CancelledError:
        raise
    except TaskError as error:
        return _failed(job, Phase.FAILED, error)
    except AgentError as error:
        return _failed(job, Phase.RETRYABLE_FAILED, error)
    except Exception as error:  # noqa: BLE001  # a bug is answered, not lost
        _log.exception("an answer could not be used")
        return _failed(
            job, Phase.RETRYABLE_FAILED, ProtocolError(f"{type(error).__name__}: {describe(error)}")
        )
    info = job.tally.info()
    return Resource(
        phase=Phase.SUCCEEDED,
        message=_summary(info),
        outputs=outputs,
        custom_info=info,
        links=job.links,
    )


def _outputs(job: Job, values: dict[str, Any], receipt: dict[str, Any]) -> Any:
    if not job.attempt.template.interface.outputs.variables:
        return None
    return literal_map(
        job.attempt, {**values, "receipt": receipt, asked.STOCK_OUTPUT: values.get("answer")}
    )


def _failed(job: Job, phase: Phase, error: AgentError) -> Resource:
    wait = (
        f"\nTry again in {error.retry_after_s:.0f} s."
        if error.retry_after_s and phase is not Phase.FAILED
        else ""
    )
    return Resource(
        phase=phase,
        message=describe(error) + wait,
        error_code=error.code,
        custom_info=job.tally.info(),
        links=job.links,
    )


def _summary(info: dict[str, Any]) -> str:
    usd = info.get("cost_usd")
    price = f", ${usd:.6f}" if usd else ""
    return f"{info.get('model', '')}: {info.get('total_tokens', 0)} tokens{price}"


async def _from_one_of(job: Job) -> dict[str, Any]:
    """
    Return the outputs from the first target that answers.

    Raises:
        AgentError: None does; the message has what each of them said.
    """
    targets = job.request.config.targets
    said: list[str] = []
    for number, target in enumerate(targets):
        is_last = number == len(targets) - 1
        try:
            return await _from(job, target, is_last=is_last)
        except AgentError as error:
            if is_last or not _passes_on(error) or job.call.remaining_s() <= 0:
                raise _with(error, said) from error.__cause__
            said.append(f"{target.model}: {str(error).partition(chr(10))[0]}")
            _log.info("%s did not answer (%s): the next model is asked", target.model, error.code)
    raise AssertionError("the loop above returns or raises")


async def _from(job: Job, target: Target, *, is_last: bool) -> dict[str, Any]:
    account = account_of(target, job.attempt)
    job.address = account.address
    client = await credentials.client_for(job.agent, account)
    identity = job.attempt.identity
    line = Line(
        job.agent.desk, job.call, client, account, target.model, job.request.config, job.tally,
        project=identity.project, execution=asked.execution_of(job.attempt), share=1.0 if is_last else _SHARE,
    )  # fmt: skip
    return await KINDS[job.request.kind](job, line)


def _passes_on(error: AgentError) -> bool:
    """Whether another model may do what this one did not."""
    if isinstance(error, (RetryableError, ProtocolError, QuotaExhausted)):
        return True
    return error.code in _NOT_HERE or isinstance(error, Truncated)


def _with(error: AgentError, said: list[str]) -> AgentError:
    if said:
        error.args = (f"{error}\nBefore it: {'; '.join(said)}",)
    return error
