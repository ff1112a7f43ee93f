"""What both reference agents say about the vendor."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from flyte_agent_core import (
    AgentError,
    Config,
    JobNotFound,
    Phase,
    PhaseTable,
    ProtocolError,
    RetryableError,
    TaskError,
)
from flyte_agent_core.secrets import redact

from . import vendor

SECRET = "vendor-token"

PHASES = PhaseTable(
    {
        "queued": Phase.INITIALIZING,
        "working": Phase.RUNNING,
        "done": Phase.SUCCEEDED,
        "broken": Phase.FAILED,
        "evicted": Phase.RETRYABLE_FAILED,
        "stopped": Phase.ABORTED,
    },
    source="vendor.py",
)

ERRORS: Mapping[type[Exception], type[AgentError]] = {
    vendor.Unavailable: RetryableError,
    vendor.Throttled: RetryableError,
    vendor.Dropped: RetryableError,
    vendor.Garbled: RetryableError,
    vendor.Denied: TaskError,
    vendor.NotFound: JobNotFound,
    vendor.Exists: TaskError,
}
VENDOR_ERRORS = tuple(ERRORS)


def to_agent_error(error: vendor.VendorError) -> AgentError:
    """Return what an error of the vendor's client means."""
    words = redact(f"{type(error).__name__}: {error}")  # a vendor may say the credential back
    return ERRORS.get(type(error), ProtocolError)(words)


@dataclasses.dataclass
class WorkConfig(Config):
    """What a task of the reference agents says."""

    text: str = ""
    number: int = 0
    note: str = ""
    token: str = SECRET

    def request(self) -> dict[str, object]:
        """Return what the vendor gets."""
        return {"text": self.text, "number": self.number, "note": self.note}
