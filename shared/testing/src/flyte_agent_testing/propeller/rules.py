"""What would hurt a real Flyte, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .status import phase_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flyteidl.admin.agent_pb2 import Resource

MAX_META_BYTES = 1024
MAX_MESSAGE_BYTES = 2048

RULES: Mapping[str, str] = {
    "create-error": "whatever its code, it uses up one of the user's attempts",
    "deadline": "the caller has gone; what the call started is known to nobody",
    "delete-error": "the round fails and is repeated; after ten the workflow is failed and the job runs on",
    "empty-outputs": "an empty answer counts as the outputs, so downstream nodes do not find theirs",
    "hung": "only an abort or a node timeout ends this task",
    "message-size": "messages go to etcd and to every event",
    "meta-size": "metadata goes to etcd, with the whole workflow, in every round",
    "no-link": "while the phase stays the same no later link reaches the user",
    "not-sent": "it fails before anybody is called, and uses up one of the user's attempts",
    "outputs-not-found": "the task worked and fails all the same",
    "phase-changed": "a terminal phase is final; which one a user gets depends on chance",
    "poll-error": "the sixth in a task's life, however far apart, hangs or kills it",
    "sync-error": "whatever its code, it uses up one of the user's attempts",
    "sync-not-terminal": "polling it kills one of the workers that poll all tasks; the tenth kill stops all polling",
    "undefined-phase": "it counts as a retryable failure",
    "unknown-phase": "the round fails and is repeated; after ten the workflow is failed",
    "unknown-task-type": "it is run as a container, which fails",
}


def check_meta(meta: bytes) -> Iterator[tuple[str, str]]:
    """Yield the rules that the metadata of a job breaks, each with what was found."""
    if len(meta) > MAX_META_BYTES:
        yield (
            "meta-size",
            f"found {len(meta)} bytes of resource_meta, expected at most {MAX_META_BYTES}",
        )


def check_resource(
    resource: Resource, *, declares_outputs: bool, needs_link: bool
) -> Iterator[tuple[str, str]]:
    """
    Yield the rules that one answer breaks, each with what was found.

    Args:
        resource: The answer.
        declares_outputs: Whether the task has outputs.
        needs_link: Whether this is the first answer that could bring a link to the user.
    """
    phase = phase_name(resource)
    size = len(resource.message.encode())
    if size > MAX_MESSAGE_BYTES:
        yield (
            "message-size",
            f"found a message of {size} bytes, expected at most {MAX_MESSAGE_BYTES}",
        )
    if phase == "UNDEFINED":
        yield "undefined-phase", "found phase UNDEFINED, expected one of the others"
    if needs_link and not resource.log_links and phase in _NEED_LINK:
        yield "no-link", f"found no log link in the first answer that is not QUEUED ({phase})"
    empty = resource.HasField("outputs") and not resource.outputs.literals
    if phase == "SUCCEEDED" and declares_outputs and empty:
        yield (
            "empty-outputs",
            "found outputs that are set but empty; leave them unset to use outputs.pb",
        )


# A failed answer has no link when there never was a job.
_NEED_LINK = frozenset({"INITIALIZING", "WAITING_FOR_RESOURCES", "RUNNING", "SUCCEEDED"})
