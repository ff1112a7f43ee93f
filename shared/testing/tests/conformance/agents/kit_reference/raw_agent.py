"""
The reference agent without the core: every rule kept by hand, on flytekit's own base.

What most mutants break is here; derived from the core they could not, for its guard repairs it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import hashlib
import json
import logging
from typing import Any, ClassVar

from flytekit.extend.backend.base_connector import (  # an agent without the core
    AsyncConnectorBase,
    ResourceMeta,
)
from google.protobuf.json_format import MessageToDict

from flyte_agent_core import AgentError, JobNotFound, Phase, Resource, TaskError
from flyte_agent_core.deadline import allow
from flyte_agent_core.inputs import decode_inputs, restore_ints
from flyte_agent_core.outputs import OutputSpec
from flyte_agent_core.rpc import remaining_s
from flyte_agent_core.secrets import redact, resolve

from . import words
from .vendor import Exists, Vendor, VendorError

log = logging.getLogger("kit_reference")

PATIENCE_S, GRACE_S = 900.0, 60.0
MESSAGE_BYTES, REFUSAL_BYTES = 2000, 600


@dataclasses.dataclass
class RawMeta(ResourceMeta):
    """What finds the job again, or says why there is none."""

    job: str = ""
    made_s: float = 0.0
    outputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    refusal: str = ""

    def encode(self) -> bytes:
        return json.dumps(dataclasses.asdict(self), separators=(",", ":")).encode()

    @classmethod
    def decode(cls, data: bytes) -> RawMeta:
        names = {field.name for field in dataclasses.fields(cls)}
        try:
            values = {k: v for k, v in json.loads(data).items() if k in names}
            meta = cls(**values)
        except (ValueError, AttributeError):
            meta = cls()
        if not meta.job and not meta.refusal:
            meta.refusal = "cannot read the metadata of this job; run the task again"
        return meta


@dataclasses.dataclass
class Seen:
    """What this process knows of a job."""

    phase: Phase = Phase.RUNNING
    failing_since_s: float | None = None
    missing_since_s: float | None = None


class RawAgent(AsyncConnectorBase):
    """Runs jobs at the vendor."""

    name = "Raw Agent"
    task_type = "kit_reference"
    vendor: ClassVar[Vendor]
    meta_type: ClassVar[type[RawMeta]] = RawMeta
    version = 0

    def __init__(self, clock: Any) -> None:
        super().__init__(
            metadata_type=self.meta_type,
            task_type_name=self.task_type,
            task_type_version=self.version,
        )
        self.clock = clock
        self.seen: dict[str, Seen] = {}
        self.background: set[asyncio.Future[Any]] = set()

    # -- create -----------------------------------------------------------------------------------

    async def create(
        self,
        task_template: Any,
        output_prefix: str,
        inputs: Any = None,
        task_execution_metadata: Any = None,
        **kwargs: Any,
    ) -> RawMeta:
        template = task_template.to_flyte_idl()
        job = self.job_id(output_prefix, task_execution_metadata)
        try:
            with allow(self.budget_s("create")):
                return await self.start(job, template, inputs)
        except TaskError as error:
            return self.refused(error)
        except BaseException as error:
            self.in_background(self.clean_up(job, error))
            raise

    def job_id(self, output_prefix: str, metadata: Any) -> str:
        return hashlib.sha256(output_prefix.encode()).hexdigest()[:32]

    async def start(self, job: str, template: Any, inputs: Any) -> RawMeta:
        request = self.request(template, inputs)
        try:
            await self.ask("create", "submit", job, request)
        except VendorError as error:
            await self.not_accepted(job, request, error)
        return self.meta(job, template, request)

    async def not_accepted(self, job: str, request: dict[str, Any], error: VendorError) -> None:
        if not isinstance(error, Exists):
            raise words.to_agent_error(error) from error
        found = await self.look(job)
        if found.request != request:
            raise TaskError(f"the vendor's job {job} does something else")

    def meta(self, job: str, template: Any, request: dict[str, Any]) -> RawMeta:
        outputs = OutputSpec.of(template.interface).encode()
        return self.meta_type(job=job, made_s=self.clock.time(), outputs=outputs)

    def refused(self, error: Exception) -> RawMeta:
        return self.meta_type(refusal=self.bounded(str(error), REFUSAL_BYTES))

    def request(self, template: Any, inputs: Any) -> dict[str, Any]:
        custom = restore_ints(MessageToDict(template.custom))
        config = words.WorkConfig.from_custom(custom)
        if config.number < 0 and config.note == "positive":
            raise TaskError(f"number: found {config.number}, expected a positive one")
        self.token(config.token)
        return {**config.request(), **decode_inputs(inputs.to_flyte_idl())}

    def token(self, name: str) -> str:
        return resolve(name).reveal()

    async def clean_up(self, job: str, error: BaseException) -> None:
        log.warning("stopping job %s: %s", job, self.bounded(str(error), 200))
        with contextlib.suppress(Exception):
            await self.vendor.ask("delete", "stop", job)

    # -- get --------------------------------------------------------------------------------------

    async def get(self, resource_meta: RawMeta, **kwargs: Any) -> Resource:
        if resource_meta.refusal:
            return Resource(phase=Phase.FAILED, message=resource_meta.refusal)
        seen = self.seen.setdefault(resource_meta.job, Seen())
        try:
            with allow(self.budget_s("get")):
                resource = self.answer(resource_meta, await self.look(resource_meta.job))
            self.seen[resource_meta.job] = Seen(resource.phase)
        except JobNotFound as error:
            resource = self.missing(resource_meta, seen, error)
        except (AgentError, TimeoutError) as error:
            resource = self.unseen(seen, error)
        return self.linked(resource_meta, resource)

    def linked(self, meta: RawMeta, resource: Resource) -> Resource:
        resource.set_links({"Vendor": f"https://vendor.example/jobs/{meta.job}"})
        return resource

    def answer(self, meta: RawMeta, job: Any) -> Resource:
        made = self.outputs(meta, job)
        phase = self.phase(job)
        info = self.info(job) if job.result else None
        message = self.bounded(job.error or job.state)
        return Resource(phase=phase, message=message, outputs=made, custom_info=info)

    def phase(self, job: Any) -> Phase:
        return words.PHASES(job.state)

    def outputs(self, meta: RawMeta, job: Any) -> Any:
        if job.result is None:
            return None
        return OutputSpec.decode(meta.outputs).literal_map(job.result)

    def info(self, job: Any) -> dict[str, Any]:
        return {"bytes_read": str(job.result["bytes_read"])}

    def missing(self, meta: RawMeta, seen: Seen, error: JobNotFound) -> Resource:
        now_s = self.clock.monotonic()
        seen.missing_since_s = now_s if seen.missing_since_s is None else seen.missing_since_s
        if self.clock.time() - meta.made_s < GRACE_S:
            return Resource(phase=Phase.INITIALIZING, message=self.bounded(str(error)))
        if now_s - seen.missing_since_s < GRACE_S:
            return Resource(phase=seen.phase, message=self.bounded(str(error)))
        return Resource(phase=Phase.RETRYABLE_FAILED, message=f"the job has vanished: {error}")

    def unseen(self, seen: Seen, error: Exception) -> Resource:
        now_s = self.clock.monotonic()
        seen.failing_since_s = now_s if seen.failing_since_s is None else seen.failing_since_s
        log.warning("poll failed: %s", self.bounded(str(error), 200))
        message = self.bounded(f"cannot see the job: {error}")
        if now_s - seen.failing_since_s < PATIENCE_S:
            return Resource(phase=seen.phase, message=message)
        return Resource(phase=Phase.RETRYABLE_FAILED, message=message)

    # -- delete -----------------------------------------------------------------------------------

    async def delete(self, resource_meta: RawMeta, **kwargs: Any) -> None:
        if resource_meta.refusal:
            return
        try:
            with allow(self.budget_s("delete")):
                await self.stop(resource_meta)
        except JobNotFound:
            return
        except TaskError as error:
            log.error("job %s may still run: %s", resource_meta.job, self.bounded(str(error), 200))

    async def stop(self, meta: RawMeta) -> None:
        try:
            await self.ask("delete", "stop", meta.job)
        except VendorError as error:
            raise words.to_agent_error(error) from error

    # -- what all three need ----------------------------------------------------------------------

    def budget_s(self, operation: str) -> float:
        return remaining_s()

    async def look(self, job: str) -> Any:
        try:
            return await self.ask("get", "look", job)
        except VendorError as error:
            raise words.to_agent_error(error) from error

    async def ask(self, operation: str, method: str, *args: Any) -> Any:
        return await self.vendor.ask(operation, method, *args)

    def in_background(self, work: Any) -> None:
        future = asyncio.ensure_future(work)
        self.background.add(future)
        future.add_done_callback(self.background.discard)

    def bounded(self, text: str, limit: int = MESSAGE_BYTES) -> str:
        masked = redact(text.replace("\x00", " "))
        return masked.encode()[:limit].decode("utf-8", "ignore")
