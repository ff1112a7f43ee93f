"""What Flyte keeps of a Databricks run."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from flyte_agent_core import JobMeta
from flyte_agent_core.secrets import Secret

from .account import Account
from .config_names import normal_host

if TYPE_CHECKING:
    from typing_extensions import Self

_STOCK = {
    "auth_type": "auth_type",
    "client_id": "client_id",
    "oauth_secret_name": "oauth_secret",
    "oidc_token_file": "oidc_token_file",
    "oidc_service_account": "oidc_service_account",
    "oidc_audience": "oidc_audience",
    "namespace": "namespace",
}


@dataclasses.dataclass(kw_only=True)
class DatabricksJobMeta(JobMeta):
    """
    What ``get`` and ``delete`` need to find the run again; never a credential.

    Attributes:
        run_id: The run's id, or the statement's.
        kind: ``run``, ``statement``, or ``stock`` for a run that flytekit's own plugin started.
        host: The workspace it is in.
        credentials: Name of the secret that holds the credentials; ``""`` for the service's own.
        flyte_project: Whose secret of that name it is.
        flyte_domain: The same.
        stock: How a task of flytekit's own plugin signs in, by reference.
        start_ms: When Databricks made it, in milliseconds since 1970; 0 if that is not known.
        page: Address of its page.
        adopted: Whether create found it there. If such a run turns out to be cancelled, the cancel may have been the
            one that follows a create whose answer was lost, so Flyte should try again.
        repair: The repair that this attempt made; ``""`` for none.
        outputs: The declared outputs, as :meth:`flyte_agent_core.outputs.OutputSpec.encode` made them.
        result: What the outputs are made of; see :class:`flyte_agent_databricks.config.OutputSource`.
        task: Key of the task whose output it is; for task values the names of the outputs, a line each.
        max_rows: Rows that may come back as values.
        strict: Whether a run of which some tasks failed has failed, though its leaves succeeded.
        code_retries: Whether Flyte may try again after the code failed.
        body: Whether it is the body of a Python task, which says itself whether to try again.
    """

    run_id: str
    kind: str = "run"
    host: str = ""
    credentials: str = ""
    flyte_project: str = ""
    flyte_domain: str = ""
    stock: dict[str, str] = dataclasses.field(default_factory=dict)
    start_ms: int = 0
    page: str = ""
    adopted: bool = False
    repair: str = ""
    outputs: dict[str, Any] = dataclasses.field(default_factory=dict)
    result: str = "none"
    task: str = ""
    max_rows: int = 0
    strict: bool = False
    code_retries: bool = True
    body: bool = False

    def encode(self) -> bytes:
        """Return the bytes Flyte keeps: what is as usual is left out."""
        news = {
            f.name: getattr(self, f.name)
            for f in dataclasses.fields(self)
            if _is_news(f, getattr(self, f.name))
        }
        return json.dumps({"v": 1, **news}, separators=(",", ":"), ensure_ascii=False).encode()

    @property
    def account(self) -> Account:
        """Who may see and stop the run."""
        stock = tuple(sorted(self.stock.items()))
        carried = self.__dict__.get("_carried")
        if carried is not None:
            stock += (("carried", carried.reveal()),)
        return Account(self.host, self.credentials, self.flyte_project, self.flyte_domain, stock)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return metadata of ours, or of flytekit's own plugin."""
        token = None
        if "v" not in values:
            token = values.get("auth_token")
            values = _from_stock(values)
        meta = super().of(values)
        wrong = [f.name for f in dataclasses.fields(cls) if not _is_like(f, getattr(meta, f.name))]
        if wrong or not meta.run_id:
            raise ValueError(f"metadata has a wrong {', '.join(wrong) or 'run_id'}")
        if token:
            # Such metadata has the token itself. It is used if there is no other, and never written again.
            meta.__dict__["_carried"] = Secret(str(token))
        return meta


def _from_stock(values: dict[str, Any]) -> dict[str, Any]:
    if not str(values.get("run_id") or "").isdigit():
        raise ValueError("metadata has neither a version nor a run_id of flytekit's plugin")
    stock = {ours: str(values[theirs]) for theirs, ours in _STOCK.items() if values.get(theirs)}
    return {
        "run_id": str(values["run_id"]),
        "kind": "stock",
        "host": normal_host(str(values.get("databricks_instance") or "")),
        "stock": {"auth_type": "pat", **stock},
        "code_retries": False,
    }


def _is_news(field: dataclasses.Field[Any], value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return bool(value)
    return bool(field.default is dataclasses.MISSING or value != field.default)


def _is_like(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether ``value`` is of the type of the field's default, or text where there is none."""
    if field.default_factory is not dataclasses.MISSING:
        return isinstance(value, type(field.default_factory()))
    if isinstance(field.default, float):
        return isinstance(value, (int, float))
    return isinstance(value, str if field.default is dataclasses.MISSING else type(field.default))
