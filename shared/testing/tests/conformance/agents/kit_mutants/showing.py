"""Defects of values on their way in and out."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import MessageToDict
from kit_reference.core_agent import CoreAgent, WorkMeta
from kit_reference.raw_agent import RawAgent, RawMeta

from flyte_agent_core import Phase, Resource

from . import seen
from .mutant import caught_by


class FromTheStruct(RawAgent):
    """Takes `custom` as the Struct has it."""

    def request(self, template: Any, inputs: Any) -> dict[str, Any]:
        request = super().request(template, inputs)
        number = MessageToDict(template.custom).get("number")
        return request if number is None else {**request, "number": self.number(number)}

    def number(self, number: Any) -> Any:
        return number


@caught_by("whole_numbers_arrive_exactly", seen_in=seen.DATABRICKS)
class SendsDoubles(FromTheStruct):
    """Sends whole numbers as the doubles that a Struct makes of them."""


@caught_by("whole_numbers_arrive_exactly")
class RoundsLargeNumbers(FromTheStruct):
    """Sends numbers beyond 2^53 through a double."""

    def number(self, number: Any) -> Any:
        return int(float(number))


@caught_by("text_arrives_verbatim", seen_in=seen.SQL)
class CollapsesWhiteSpace(RawAgent):
    """Puts the text on one line."""

    def request(self, template: Any, inputs: Any) -> dict[str, Any]:
        request = super().request(template, inputs)
        return {**request, "text": " ".join(request["text"].split())}


@caught_by("text_arrives_verbatim")
class SendsAsciiOnly(RawAgent):
    """Replaces what is not ASCII."""

    def request(self, template: Any, inputs: Any) -> dict[str, Any]:
        request = super().request(template, inputs)
        return {**request, "text": request["text"].encode("ascii", "replace").decode()}


@caught_by("links_from_the_first_answer", "life_under_propeller", "abort_under_propeller")
class LinksAtTheEndOnly(RawAgent):
    """Gives its links when the job has ended."""

    def linked(self, meta: RawMeta, resource: Resource) -> Resource:
        return super().linked(meta, resource) if resource.phase.is_terminal else resource


@caught_by("links_can_be_followed")
class LinksToNowhere(CoreAgent):
    """Gives a path for a link."""

    def links(self, resource_meta: WorkMeta) -> dict[str, str]:
        return {"Vendor": f"/jobs/{resource_meta.job}"}


@caught_by("links_can_be_followed")
class LinksWithoutAName(CoreAgent):
    """Gives a link without a name."""

    def links(self, resource_meta: WorkMeta) -> dict[str, str]:
        return {"": f"https://vendor.example/{resource_meta.job}"}


@caught_by("outputs_come_with_success_only")
class SetsEmptyOutputs(RawAgent):
    """Sets outputs from the beginning, empty ones."""

    def outputs(self, meta: RawMeta, job: Any) -> Any:
        return super().outputs(meta, job) if job.result else {}


@caught_by("outputs_are_of_the_declared_types")
class GivesNumbersAsText(RawAgent):
    """Gives a text where the task declares a number."""

    def outputs(self, meta: RawMeta, job: Any) -> Any:
        return job.result and {"lines": str(job.result["lines"])}


@caught_by("outputs_are_of_the_declared_types")
class GivesAllItHas(RawAgent):
    """Gives outputs that the task has not declared."""

    def outputs(self, meta: RawMeta, job: Any) -> Any:
        return job.result and dict(job.result)


@caught_by("messages_are_short_and_plain")
class TalksTooMuch(RawAgent):
    """Passes on whatever the vendor says, however much that is."""

    def bounded(self, text: str, limit: int = 2000) -> str:
        return super().bounded(text, max(limit, 100_000))

    def answer(self, meta: RawMeta, job: Any) -> Resource:
        resource = super().answer(meta, job)
        resource.message = self.bounded(job.error or job.state)
        return resource


@caught_by("messages_are_short_and_plain")
class BeginsWithAnEmptyPhrase(RawAgent):
    """Puts the vendor's words behind a first line that says nothing."""

    def answer(self, meta: RawMeta, job: Any) -> Resource:
        resource = super().answer(meta, job)
        resource.message = f"Error:\n{resource.message[:1500]}"
        return resource


@caught_by("figures_keep_their_digits")
class RoundsItsFigures(RawAgent):
    """Gives large numbers in custom_info as numbers."""

    def info(self, job: Any) -> dict[str, Any]:
        return {"bytes_read": float(job.result["bytes_read"])}


@caught_by("waiting_at_the_vendor_is_not_queued", "every_vendor_state_is_answered")
class CallsItQueued(RawAgent):
    """Answers QUEUED until the job is done."""

    def phase(self, job: Any) -> Phase:
        return Phase.QUEUED if job.state == "working" else super().phase(job)
