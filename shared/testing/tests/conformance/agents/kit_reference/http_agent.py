"""A small agent as an author would write it, for a vendor with an HTTP API."""

from __future__ import annotations

import dataclasses
import http.client
import json
import os
from typing import Any
from urllib.parse import urlsplit

from flyte_agent_core import (
    AgentError,
    AsyncAgent,
    Attempt,
    Config,
    JobMeta,
    JobNotFound,
    Phase,
    PhaseTable,
    Resource,
    RetryableError,
    TaskError,
)
from flyte_agent_core.rpc import remaining_s
from flyte_agent_core.secrets import redact, resolve

PHASES = PhaseTable(
    {
        "cold": Phase.INITIALIZING,
        "firing": Phase.RUNNING,
        "fired": Phase.SUCCEEDED,
        "cracked": Phase.FAILED,
        "quenched": Phase.ABORTED,
    },
    source="https://kiln.example/docs/states",
)
ERRORS: dict[int, type[AgentError]] = {
    400: TaskError,
    401: TaskError,
    403: TaskError,
    404: JobNotFound,
    409: TaskError,
    429: RetryableError,
    500: RetryableError,
    503: RetryableError,
}


@dataclasses.dataclass
class KilnConfig(Config):
    """What a task says."""

    clay: str
    degrees: int = 1000


@dataclasses.dataclass(kw_only=True)
class KilnMeta(JobMeta):
    """What finds the firing again."""

    firing: str


class KilnAgent(AsyncAgent[KilnMeta]):
    """Fires clay."""

    name = "Kiln Agent"
    task_type = "kiln"
    meta_type = KilnMeta

    def create(self, attempt: Attempt) -> KilnMeta:
        config = attempt.config(KilnConfig)
        order = {"clay": config.clay, "degrees": config.degrees}
        made = call("PUT", f"/firings/{attempt.job_id()}", order)
        if made["order"] != order:
            raise TaskError(f"firing {attempt.job_id()} exists and is of other clay")
        return KilnMeta(firing=attempt.job_id())

    def get(self, resource_meta: KilnMeta) -> Resource:
        firing = call("GET", f"/firings/{resource_meta.firing}")
        return Resource(phase=PHASES(firing["state"]), message=firing["note"] or firing["state"])

    def delete(self, resource_meta: KilnMeta) -> None:
        call("POST", f"/firings/{resource_meta.firing}/quench")

    def undo(self, attempt: Attempt) -> Any:
        return self.blocking(call, "POST", f"/firings/{attempt.job_id()}/quench")

    def links(self, resource_meta: KilnMeta) -> dict[str, str]:
        return {"Kiln": f"https://kiln.example/firings/{resource_meta.firing}"}


def call(method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Call the kiln; what it refuses is an error of the core."""
    address = urlsplit(os.environ["KILN_URL"]).netloc
    connection = http.client.HTTPConnection(address, timeout=max(0.01, remaining_s()))
    headers = {"authorization": f"Bearer {resolve('kiln-key').reveal()}"}
    try:
        connection.request(method, path, body and json.dumps(body), headers)
        reply = connection.getresponse()
        answer = json.loads(reply.read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise RetryableError(
            f"the kiln does not answer: {error or type(error).__name__}"
        ) from error
    finally:
        connection.close()
    if reply.status >= 400:
        said = redact(str(answer.get("error", {}).get("message", reply.reason)))
        raise ERRORS.get(reply.status, RetryableError)(f"the kiln says {reply.status}: {said}")
    if "error" in answer:
        raise RetryableError(f"the kiln answers nonsense: {redact(str(answer))[:200]}")
    return answer
