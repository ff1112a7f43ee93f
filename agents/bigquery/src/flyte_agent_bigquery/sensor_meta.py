"""What Flyte keeps of a sensor: all of it, as there is nothing at BigQuery to look it up from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from flyte_agent_core import JobMeta

from .account import Account
from .meta import BigQueryJobMeta

if TYPE_CHECKING:
    from typing_extensions import Self

Condition = Literal["exists", "partition", "rows", "changed", "streaming_buffer_empty"]
"""What may be waited for; of a routine only that it exists."""


class Place(NamedTuple):
    """
    Where to look, and as whom: equal for all sensors that one request can answer.

    Attributes:
        name: The table or routine, with ``$`` and the partition if there is one.
    """

    account: Account
    project: str
    dataset: str
    name: str
    is_routine: bool

    @property
    def text(self) -> str:
        """``project.dataset.name``, for people."""
        return f"{self.project}.{self.dataset}.{self.name}"


@dataclasses.dataclass(kw_only=True)
class SensorMeta(JobMeta):
    """
    What is waited for, and until when; never a credential.

    Fields that do not apply are ``None``, and then not in the bytes.

    Attributes:
        waits_for: The condition; its presence tells a sensor's metadata from a job's.
        project: Whose dataset it is.
        name: The table's or routine's.
        wait_s: Seconds from ``created_s`` after which the wait ends.
        routine: Whether it is a routine.
        partition: Id of a partition.
        min_rows: Rows that are enough.
        newer_than_s: Seconds since 1970 after which a change counts.
        report: Whether the end of the time is a result instead of a failure.
        outputs: The declared outputs, as :meth:`flyte_agent_core.outputs.OutputSpec.encode` made them.
        credentials: As in :class:`flyte_agent_bigquery.meta.BigQueryJobMeta`; so are the last three.
    """

    waits_for: str
    project: str
    dataset: str
    name: str
    wait_s: float
    routine: bool | None = None
    partition: str | None = None
    min_rows: int | None = None
    newer_than_s: float | None = None
    report: bool | None = None
    outputs: dict[str, Any] | None = None
    credentials: str | None = None
    impersonate: list[str] | None = None
    flyte_project: str | None = None
    flyte_domain: str | None = None

    @property
    def place(self) -> Place:
        """Where to look."""
        names = self.impersonate or (), self.flyte_project or "", self.flyte_domain or ""
        account = Account(self.credentials or "", tuple(names[0]), *names[1:])
        name = f"{self.name}${self.partition}" if self.partition else self.name
        return Place(account, self.project, self.dataset, name, bool(self.routine))

    @property
    def ends_s(self) -> float:
        """Seconds since 1970 at which the wait ends."""
        return self.created_s + self.wait_s

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return metadata of ours."""
        meta = super().of(values)
        wrong = [f.name for f in dataclasses.fields(cls) if not _is_like(f, getattr(meta, f.name))]
        if not wrong and meta.waits_for not in get_args(Condition):
            wrong = ["waits_for"]
        if not wrong and not 0 <= meta.created_s <= meta.ends_s < _LAST_S:
            wrong = ["wait_s"]
        if wrong:
            raise ValueError(f"metadata has a wrong {', '.join(wrong)}")
        return meta


_LAST_S = 2.0**36  # the year 4147; later moments cannot be shown
_KINDS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "float": (int, float),
    "int": int,
    "bool": bool,
    "dict[str, Any]": dict,
    "list[str]": list,
}


def _is_like(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether ``value`` is what the field's annotation says."""
    kind, _, optional = str(field.type).partition(" | ")
    return (bool(optional) and value is None) or isinstance(value, _KINDS[kind])


class AnyMeta(JobMeta):
    """Decodes the metadata of any task of this agent."""

    @classmethod
    def of(cls, values: dict[str, Any]) -> Any:
        """
        Return a sensor's metadata or a job's.

        Raises:
            ValueError: It is neither.
        """
        return (SensorMeta if "waits_for" in values else BigQueryJobMeta).of(values)
