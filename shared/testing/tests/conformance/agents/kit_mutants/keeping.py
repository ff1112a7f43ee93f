"""Defects of the metadata, and secrets that get out."""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import traceback
from typing import Any

from kit_reference import words
from kit_reference.core_agent import CoreAgent, WorkMeta
from kit_reference.raw_agent import RawAgent, RawMeta, Seen

from flyte_agent_core import Resource
from flyte_agent_core.secrets import resolve

from . import seen
from .mutant import caught_by

log = logging.getLogger("kit_mutants")


@dataclasses.dataclass
class PickledMeta(RawMeta):
    """Metadata as a pickle."""

    def encode(self) -> bytes:
        return importlib.import_module("pickle").dumps(dataclasses.asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> RawMeta:
        try:
            return cls(**importlib.import_module("pickle").loads(data))
        except Exception:  # a pickle may raise anything
            return cls(refusal="cannot read the metadata of this job")


@caught_by(
    "metadata_is_data",
    "metadata_is_json",
    "metadata_of_a_newer_version_is_read",
    "metadata_of_an_older_version_is_read",
    "recorded_metadata_is_read",
    seen_in=seen.BATCH,
)
class PicklesItsMetadata(RawAgent):
    """Reads its metadata as a pickle, which runs whatever is in it."""

    meta_type = PickledMeta


@dataclasses.dataclass
class NamingMeta(RawMeta):
    """Metadata that names the code to be used."""

    poller: str = "json"


@caught_by("metadata_is_data", "recorded_metadata_is_read", seen_in=seen.SENSOR)
class ImportsWhatMetadataNames(RawAgent):
    """Imports the module whose name stands in the metadata."""

    meta_type = NamingMeta

    async def get(self, resource_meta: Any, **kwargs: Any) -> Resource:
        importlib.import_module(resource_meta.poller)
        return await super().get(resource_meta)


@dataclasses.dataclass
class StrictMeta(RawMeta):
    """Metadata as flytekit decodes it."""

    @classmethod
    def decode(cls, data: bytes) -> RawMeta:
        names = {field.name for field in dataclasses.fields(cls)}
        values = json.loads(data.decode())
        if unknown := set(values) - names:
            raise KeyError(unknown.pop())
        return cls(**values) if values.get("job") or values.get("refusal") else RawMeta.decode(data)


@caught_by("metadata_of_a_newer_version_is_read", "foreign_metadata_is_answered", seen_in=seen.META)
class DecodesStrictly(RawAgent):
    """Raises on metadata with a field that this version does not know."""

    meta_type = StrictMeta


@dataclasses.dataclass
class DemandingMeta(RawMeta):
    """Metadata without defaults."""

    @classmethod
    def decode(cls, data: bytes) -> RawMeta:
        meta = RawMeta.decode(data)
        if not meta.refusal:
            json.loads(data)["outputs"], json.loads(data)["made_s"]
        return cls(**dataclasses.asdict(meta))


@caught_by("metadata_of_an_older_version_is_read")
class DemandsEveryField(RawAgent):
    """Raises on metadata in which a field of this version is missing."""

    meta_type = DemandingMeta


@dataclasses.dataclass
class RenamedMeta(RawMeta):
    """Metadata one of whose fields has a new name."""

    results: dict[str, Any] = dataclasses.field(default_factory=dict)

    def encode(self) -> bytes:
        values = json.loads(super().encode())
        return json.dumps({**values, "results": values.pop("outputs")}).encode()

    @classmethod
    def decode(cls, data: bytes) -> RawMeta:
        meta = super().decode(data)
        meta.outputs = meta.results
        return meta


@caught_by("recorded_metadata_is_read")
class RenamesAField(RawAgent):
    """Renames a field of its metadata, and keeps no record of the new form."""

    meta_type = RenamedMeta


@dataclasses.dataclass
class LossyMeta(RawMeta):
    """Metadata that loses a field on its way."""

    @classmethod
    def decode(cls, data: bytes) -> RawMeta:
        meta = super().decode(data)
        meta.made_s = float(int(meta.made_s)) + 0.5
        return meta


@caught_by("metadata_round_trips")
class LosesDigitsOfItsMetadata(RawAgent):
    """Decodes a field to something else than was encoded."""

    meta_type = LossyMeta


@dataclasses.dataclass
class LargeMeta(RawMeta):
    """Metadata with the request in it."""

    request: dict[str, Any] = dataclasses.field(default_factory=dict)


@caught_by("large_values_are_answered", "recorded_metadata_is_read")
class KeepsTheRequestInItsMetadata(RawAgent):
    """Puts the inputs into the metadata."""

    meta_type = LargeMeta

    def meta(self, job: str, template: Any, request: dict[str, Any]) -> RawMeta:
        meta = super().meta(job, template, request)
        meta.request = request
        return meta


@caught_by("metadata_is_small")
class KeepsTheNamesInItsMetadata(RawAgent):
    """Puts the names of execution and workflow into the metadata, however long they are."""

    def job_id(self, output_prefix: str, metadata: Any) -> str:
        names = metadata.to_flyte_idl().labels.values() if metadata else ()
        return "-".join([super().job_id(output_prefix, metadata), *sorted(names)] * 3)


@dataclasses.dataclass(kw_only=True)
class TokenMeta(WorkMeta):
    """Metadata with a credential in it."""

    token: str = ""


@caught_by("no_secret_leaves_the_agent", "recorded_metadata_is_read", seen_in=seen.DATABRICKS)
class KeepsTheTokenInItsMetadata(CoreAgent):
    """Puts the credential into the metadata, for get and delete."""

    meta_type = TokenMeta

    def meta(self, attempt: Any, job: str) -> WorkMeta:
        meta = super().meta(attempt, job)
        token = attempt.secret(words.SECRET).reveal()
        return TokenMeta(**{**dataclasses.asdict(meta), "token": token})


@caught_by("no_secret_leaves_the_agent", seen_in=seen.DATABRICKS)
class LogsTheToken(CoreAgent):
    """Writes the credential into its log, at the level that nobody reads."""

    def meta(self, attempt: Any, job: str) -> WorkMeta:
        log.debug("using token %s for %s", attempt.secret(words.SECRET).reveal(), job)
        return super().meta(attempt, job)


@caught_by("no_secret_leaves_the_agent")
class LinksWithTheToken(CoreAgent):
    """Puts the credential into its links, so that they can be opened without signing in."""

    def links(self, resource_meta: WorkMeta) -> dict[str, str]:
        token = resolve(words.SECRET).reveal()
        return {"Vendor": f"https://vendor.example/jobs/{resource_meta.job}?key={token}"}


@caught_by("no_secret_leaves_the_agent")
class SaysTheTokenBack(RawAgent):
    """Passes the vendor's words on as they are, with the credential in them."""

    def answer(self, meta: RawMeta, job: Any) -> Resource:
        resource = super().answer(meta, job)
        resource.message = (job.error or job.state).replace("\x00", " ")[:500]
        return resource


@caught_by("messages_are_short_and_plain", seen_in=seen.SERVICE)
class ShowsTracebacks(RawAgent):
    """Puts the traceback of a failed poll into the message."""

    def unseen(self, seen: Seen, error: Exception) -> Resource:
        resource = super().unseen(seen, error)
        resource.message = "".join(traceback.format_exception(error))[:500] + resource.message[:900]
        return resource


@caught_by(
    "logging_raises_nothing",
    "failed_job_says_why",
    "delete_after_a_failure_succeeds",
    "messages_are_short_and_plain",
    "outputs_come_with_success_only",
    seen_in=seen.BIGQUERY_LOG,
)
class LogsWithoutAPlaceholder(RawAgent):
    """Logs a failed job with an argument that the text has no place for."""

    def answer(self, meta: RawMeta, job: Any) -> Resource:
        if job.error:
            logging.getLogger("kit_quiet").error("failed to run the job with error:", job.error)
        return super().answer(meta, job)
