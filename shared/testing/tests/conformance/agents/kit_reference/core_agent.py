"""The reference agent as an author writes it: on the core, whose guard does the rest."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from flyte_agent_core import AsyncAgent, Attempt, JobMeta, JobNotFound, Resource, TaskError
from flyte_agent_core.outputs import OutputSpec

from . import words
from .vendor import Exists, Vendor, VendorError


@dataclasses.dataclass(kw_only=True)
class WorkMeta(JobMeta):
    """What finds the job again."""

    job: str
    project: str = ""
    domain: str = ""
    outputs: dict[str, Any] = dataclasses.field(default_factory=dict)


class CoreAgent(AsyncAgent[WorkMeta]):
    """Runs jobs at the vendor."""

    name = "Reference Agent"
    task_type = "kit_reference"
    meta_type = WorkMeta
    vendor: ClassVar[Vendor]

    async def create(self, attempt: Attempt) -> WorkMeta:
        config = attempt.config(words.WorkConfig)
        attempt.secret(config.token)
        if config.number < 0 and config.note == "positive":
            raise TaskError(f"number: found {config.number}, expected a positive one")
        job = self.job_id(attempt)
        await self.submit(job, config.request())
        return self.meta(attempt, job)

    def job_id(self, attempt: Attempt) -> str:
        return attempt.job_id()

    def meta(self, attempt: Attempt, job: str) -> WorkMeta:
        who, spec = attempt.identity, attempt.output_spec.encode()
        return WorkMeta(job=job, project=who.project, domain=who.domain, outputs=spec)

    async def submit(self, job: str, request: dict[str, object]) -> None:
        try:
            await self.ask("create", "submit", job, request)
        except TaskError as error:
            if not isinstance(error.__cause__, Exists):
                raise
            found = await self.ask("get", "look", job)
            if found.request != request:
                raise TaskError(f"the vendor's job {job} does something else") from error

    async def get(self, resource_meta: WorkMeta) -> Resource:
        job = await self.ask("get", "look", resource_meta.job)
        made = job.result and OutputSpec.decode(resource_meta.outputs).literal_map(job.result)
        info = {"bytes_read": job.result["bytes_read"]} if job.result else None
        phase = words.PHASES(job.state)
        return Resource(phase=phase, message=job.error or job.state, outputs=made, custom_info=info)

    async def delete(self, resource_meta: WorkMeta) -> None:
        await self.ask("delete", "stop", resource_meta.job)

    async def undo(self, attempt: Attempt) -> None:
        await self.ask("delete", "stop", self.job_id(attempt))

    def links(self, resource_meta: WorkMeta) -> dict[str, str]:
        return {"Vendor": f"https://vendor.example/jobs/{resource_meta.job}"}

    async def ask(self, operation: str, method: str, *args: Any) -> Any:
        try:
            return await self.vendor.ask(operation, method, *args)
        except VendorError as error:
            raise words.to_agent_error(error) from error


class BlockingCoreAgent(CoreAgent):
    """The same with a vendor SDK that blocks: plain functions, which the core runs in threads."""

    def create(self, attempt: Attempt) -> WorkMeta:
        config = attempt.config(words.WorkConfig)
        attempt.secret(config.token)
        if config.number < 0 and config.note == "positive":
            raise TaskError(f"number: found {config.number}, expected a positive one")
        job, request = attempt.job_id(), config.request()
        try:
            self.ask_and_wait("create", "submit", job, request)
        except TaskError as error:
            if not isinstance(error.__cause__, Exists):
                raise
            if self.ask_and_wait("get", "look", job).request != request:
                raise TaskError(f"the vendor's job {job} does something else") from error
        return self.meta(attempt, job)

    def get(self, resource_meta: WorkMeta) -> Resource:
        job = self.ask_and_wait("get", "look", resource_meta.job)
        made = job.result and OutputSpec.decode(resource_meta.outputs).literal_map(job.result)
        return Resource(phase=words.PHASES(job.state), message=job.error or None, outputs=made)

    def delete(self, resource_meta: WorkMeta) -> None:
        try:
            self.ask_and_wait("delete", "stop", resource_meta.job)
        except JobNotFound:
            return

    def ask_and_wait(self, operation: str, method: str, *args: Any) -> Any:
        try:
            return self.vendor.ask_and_wait(operation, method, *args)
        except VendorError as error:
            raise words.to_agent_error(error) from error
