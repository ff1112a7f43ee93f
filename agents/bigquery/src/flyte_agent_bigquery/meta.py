"""What Flyte keeps of a BigQuery job."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from flyte_agent_core import JobMeta

from .account import Account
from .job import JobRef

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclasses.dataclass(kw_only=True)
class BigQueryJobMeta(JobMeta):
    """
    What ``get`` and ``delete`` need to find the job again; never a credential.

    Attributes:
        job_id: The job's id.
        project: The project that runs and pays for the job.
        location: Where the server said it runs; ``""`` only in metadata of flytekit's own plugin.
        adopted: Whether create found the job there. If such a job turns out to be cancelled, the cancel may have been
            the one that follows a create whose answer was lost, so Flyte should try again.
        result: What the outputs are made of: ``none``, ``dataset``, ``rows``, ``row``, ``scalar``, ``check``; ``stock``
            for a job that flytekit's own plugin started: a dataset if the job made one.
        max_rows: Rows that may come back as values.
        outputs: The declared outputs, as :meth:`flyte_agent_core.outputs.OutputSpec.encode` made them.
        usd_per_tib: What a TiB costs here; 0 when nobody said.
        note: What the cost check found, in a few words.
        credentials: Name of the secret that holds the credentials; ``""`` for the service's own.
        impersonate: Service accounts to become, one after the other.
        flyte_project: Whose secret of that name it is.
        flyte_domain: The same.
    """

    job_id: str
    project: str
    location: str = ""
    adopted: bool = False
    result: str = "none"
    max_rows: int = 0
    outputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    usd_per_tib: float = 0.0
    note: str = ""
    credentials: str = ""
    impersonate: list[str] = dataclasses.field(default_factory=list)
    flyte_project: str = ""
    flyte_domain: str = ""

    @property
    def ref(self) -> JobRef:
        """What finds the job."""
        return JobRef(self.project, self.job_id, self.location)

    @property
    def account(self) -> Account:
        """Who may see and stop the job."""
        names = self.credentials, tuple(self.impersonate), self.flyte_project, self.flyte_domain
        return Account(*names)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return metadata of ours, or of flytekit's own plugin: ``{"job_id", "project", "location"}``."""
        if "v" not in values:
            names = ("job_id", "project", "location")
            stock = {"result": "stock", "outputs": {"results": "dataset"}}
            values = {**stock, **{name: values.get(name) or "" for name in names}}
        meta = super().of(values)
        wrong = [f.name for f in dataclasses.fields(cls) if not _is_like(f, getattr(meta, f.name))]
        if wrong or not meta.job_id:
            raise ValueError(f"metadata has a wrong {', '.join(wrong) or 'job_id'}")
        return meta


def _is_like(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether ``value`` is of the type of the field's default, or text where there is none."""
    if field.default_factory is not dataclasses.MISSING:
        return isinstance(value, type(field.default_factory()))
    if isinstance(field.default, float):
        return isinstance(value, (int, float))
    return isinstance(value, str if field.default is dataclasses.MISSING else type(field.default))
