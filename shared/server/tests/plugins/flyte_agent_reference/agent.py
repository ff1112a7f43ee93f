"""An async agent whose vendor is a dictionary, and a sync agent that says back what it is told."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any, ClassVar

from flyte_agent_core import (
    AsyncAgent,
    Attempt,
    Config,
    JobMeta,
    JobNotFound,
    Phase,
    Resource,
    RetryableError,
    SyncAgent,
    TaskError,
)


@dataclasses.dataclass
class ReferenceConfig(Config):
    """What a task of this agent says: how its create goes, and what its log is."""

    create: str = "accepted"
    pipe: str = ""
    meta_bytes: int = 0
    log_lines: int = 3
    output_bytes: int = 0


@dataclasses.dataclass(kw_only=True)
class ReferenceMeta(JobMeta):
    """A job of the dictionary."""

    job: str = ""
    padding: str = ""


class ReferenceAgent(AsyncAgent[ReferenceMeta]):
    """Keeps its jobs in ``jobs``; a create that waits does so until ``gate`` is opened."""

    name = "Reference Agent"
    task_type = "reference_job"
    meta_type = ReferenceMeta
    aliases = ("reference_alias",)

    jobs: ClassVar[dict[str, ReferenceConfig]] = {}
    deleted: ClassVar[list[str]] = []
    gate: asyncio.Event | None = None

    async def create(self, attempt: Attempt) -> ReferenceMeta:
        """Start a job, or raise what the task says."""
        config = attempt.config(ReferenceConfig)
        if config.create == "user error":
            raise TaskError("field x: found 1, expected 2; set it to 2", code="REFERENCE.X")
        if config.create == "busy":
            raise RetryableError("the vendor is busy")
        if config.create == "bug":
            raise KeyError("secret-detail")
        if config.create == "waits":
            self.gate = self.gate or asyncio.Event()
            await self.gate.wait()
        if config.create == "reads":
            await self.blocking(Path(config.pipe).read_text)
        job = attempt.job_id()
        self.jobs[job] = config
        return ReferenceMeta(job=job, padding="x" * config.meta_bytes)

    async def get(self, resource_meta: ReferenceMeta) -> Resource:
        """Say that the job is done."""
        if resource_meta.job not in self.jobs:
            raise JobNotFound(f"no job {resource_meta.job}")
        config = self.jobs[resource_meta.job]
        outputs = {"text": "x" * config.output_bytes} if config.output_bytes else None
        return Resource(phase=Phase.SUCCEEDED, message="done", outputs=outputs)

    async def delete(self, resource_meta: ReferenceMeta) -> None:
        """Remember that the job was to be stopped."""
        self.deleted.append(resource_meta.job)

    def policy_facts(self, attempt: Attempt) -> dict[str, list[str]]:
        """Return where the task reads from, as a platform would have datasets."""
        config = attempt.config(ReferenceConfig)
        return {"pipe": [config.pipe] if config.pipe else [], "max_bytes": [str(config.log_lines)]}

    def links(self, resource_meta: ReferenceMeta) -> dict[str, str]:
        """Return the job's page."""
        return {"Job": f"https://reference.example/{resource_meta.job}"}

    async def get_metrics(self, resource_meta: ReferenceMeta) -> dict[str, Any]:
        """Return two figures."""
        return {"rows": 7, "bytes": 2**60}

    async def get_logs(self, resource_meta: ReferenceMeta) -> list[str]:
        """Return as many lines as the task asked for."""
        return [f"line {n}" for n in range(self.jobs[resource_meta.job].log_lines)]


@dataclasses.dataclass
class EchoConfig(Config):
    """What to answer with."""

    message: str = ""
    message_bytes: int = 0
    phase: str = "SUCCEEDED"


class EchoAgent(SyncAgent):
    """Answers what the task says."""

    name = "Echo Agent"
    task_type = "reference_echo"

    async def do(self, attempt: Attempt) -> Resource:
        """Answer."""
        config = attempt.config(EchoConfig)
        info = {"padding": "x" * config.message_bytes} if config.message_bytes else None
        return Resource(phase=Phase[config.phase], message=config.message, custom_info=info)
