"""What a query may cost: estimated before it runs, stopped by BigQuery if the estimate was wrong."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from flyte_agent_core import TaskError

from .job import integer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .job import Job

TIB = 2**40


@dataclasses.dataclass(frozen=True)
class CostLimit:
    """
    A task's limit.

    Attributes:
        max_bytes: What the query may process; ``None`` for no limit.
        max_usd: What it may cost; ``None`` for no limit.
        usd_per_tib: On-demand price of a TiB; see https://cloud.google.com/bigquery/pricing.
        refuse: Whether a query above the limit is refused; otherwise the task only says so.
    """

    max_bytes: int | None = None
    max_usd: float | None = None
    usd_per_tib: float = 0.0
    refuse: bool = True

    @property
    def limit_bytes(self) -> int | None:
        """The tighter of both limits in bytes; ``None`` when there is none."""
        limits = [] if self.max_bytes is None else [self.max_bytes]
        if self.max_usd is not None and self.usd_per_tib > 0:
            limits.append(int(self.max_usd / self.usd_per_tib * TIB))
        return min(limits) if limits else None

    def hard_stop(self, own: int | None) -> int | None:
        """
        Return the ``maximumBytesBilled`` to send: the user's own or the limit, whichever is lower.

        A limit that only warns must not stop the query.
        """
        limits = [
            limit for limit in (own, self.limit_bytes if self.refuse else None) if limit is not None
        ]
        return min(limits) if limits else None

    def judge(self, estimate_bytes: int, accuracy: str = "") -> str:
        """
        Return a warning about a query whose dry run said ``estimate_bytes``; ``""`` when it is within the limit.

        Args:
            estimate_bytes: ``totalBytesProcessed`` of the dry run.
            accuracy: ``totalBytesProcessedAccuracy``: an upper bound may be far above what is billed.

        Raises:
            TaskError: It is above the limit, and such queries are to be refused.
        """
        limit = self.limit_bytes
        if limit is None or estimate_bytes <= limit:
            return ""
        bound = "at most " if accuracy == "UPPER_BOUND" else ""
        figures = f"would read {bound}{self._shown(estimate_bytes)}; the task's limit is {self._shown(limit)}"
        if self.refuse:
            raise TaskError(
                f"The query {figures}. It was not started and cost nothing.\nRead less (fewer columns, a filter "
                "on the partition), or raise the cost limit of the task.",
                code="BIGQUERY.COST_LIMIT",
            )
        return f"over the cost limit: {figures}"

    def _shown(self, size_bytes: int) -> str:
        usd = f" (${size_bytes / TIB * self.usd_per_tib:,.2f})" if self.usd_per_tib > 0 else ""
        return f"{size_text(size_bytes)}{usd}"


def without_stop(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to dry-run: BigQuery refuses a dry run above ``maximumBytesBilled`` too, and gives no figure."""
    query = {k: v for k, v in configuration["query"].items() if k != "maximumBytesBilled"}
    return {**configuration, "query": query}


def estimate(job: Job) -> tuple[int, str]:
    """Return bytes and accuracy of a dry run."""
    query = job.query_statistics
    size = integer(query.get("totalBytesProcessed"))
    if size is None:
        size = integer(job.statistics.get("totalBytesProcessed")) or 0
    return size, str(query.get("totalBytesProcessedAccuracy") or "")


def billed_usd(job: Job, usd_per_tib: float) -> float | None:
    """Return what the bytes cost on demand; ``None`` when unknown or when a reservation paid for the job."""
    billed = integer(job.query_statistics.get("totalBytesBilled"))
    if billed is None or usd_per_tib <= 0 or job.statistics.get("reservation_id"):
        return None
    return round(billed / TIB * usd_per_tib, 6)


def size_text(size_bytes: float) -> str:
    """Return a size in the unit a person would use: ``1.2 GiB``."""
    size, unit = float(size_bytes), "B"
    for bigger in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        if size < 1024:
            break
        size, unit = size / 1024, bigger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
