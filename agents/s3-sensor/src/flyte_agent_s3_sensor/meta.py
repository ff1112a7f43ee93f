"""
What Flyte keeps of a sensor: all of it, as there is nothing at S3 to look it up from.

flytekit imports this module in every process, so what reads a request is imported on first use.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import zlib
from typing import TYPE_CHECKING, Any

from flyte_agent_core import JobMeta

if TYPE_CHECKING:
    from typing_extensions import Self

    from .account import Account
    from .config import SensorRequest

_LAST_S = 2.0**36  # the year 4147; later moments cannot be shown
_UNPACKED_BYTES = 1 << 18


@dataclasses.dataclass(kw_only=True)
class S3SensorMeta(JobMeta):
    """
    What is waited for, and until when; never a credential.

    Attributes:
        watch: The task's ``custom`` with the inputs in it, as JSON text, or packed to fit.
        wait_s: Seconds from ``created_s`` after which the wait ends.
        outputs: The declared outputs, as :meth:`flyte_agent_core.outputs.OutputSpec.encode` made them.
        flyte_project: Whose secrets the task names, if it names any.
        flyte_domain: The same.
    """

    watch: str
    wait_s: float
    outputs: dict[str, Any] | None = None
    flyte_project: str | None = None
    flyte_domain: str | None = None

    @property
    def request(self) -> SensorRequest:
        """What is waited for; shared, so not to be changed."""
        return request_of(self.watch)

    @property
    def account(self) -> Account:
        """As whom and where to look."""
        return _account(self.watch, self.flyte_project or "", self.flyte_domain or "")

    @property
    def ends_s(self) -> float:
        """Seconds since 1970 at which the wait ends."""
        return self.created_s + self.wait_s

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Return metadata of ours."""
        meta = super().of(values)
        wrong = [f.name for f in dataclasses.fields(cls) if not _is_like(f, getattr(meta, f.name))]
        if not wrong and not 0 <= meta.created_s <= meta.ends_s < _LAST_S:
            wrong = ["wait_s"]
        if wrong:
            raise ValueError(f"metadata has a wrong {', '.join(wrong)}")
        request_of(meta.watch)  # raises what a poll could not answer
        return meta


_KINDS: dict[str, type | tuple[type, ...]] = {
    "str": str,
    "float": (int, float),
    "dict[str, Any]": dict,
}


def _is_like(field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether ``value`` is what the field's annotation says."""
    kind, _, optional = str(field.type).partition(" | ")
    return (bool(optional) and value is None) or isinstance(value, _KINDS[kind])


def pack(request: SensorRequest, *, small: bool = False) -> str:
    """Return a request as text; ``small`` when the plain one would be too long."""
    kept = {name: v for name, v in request.to_custom().items() if name not in _NOT_KEPT}
    text = json.dumps(kept, separators=(",", ":"), ensure_ascii=False)
    if not small:
        return text
    return base64.b85encode(zlib.compress(text.encode(), 9)).decode()


_NOT_KEPT = ("timeout_s", "inputs")
"""What ``create`` has used up."""


@functools.lru_cache(maxsize=50_000)
def request_of(watch: str) -> SensorRequest:
    """
    Return the request in a metadata's ``watch``.

    Raises:
        ValueError: It is none.
    """
    from .config import SensorRequest

    try:
        values = json.loads(watch if watch.startswith("{") else _unpacked(watch))
        known = {f.name for f in dataclasses.fields(SensorRequest)}
        # A later version's field would otherwise end the task on the way back.
        return SensorRequest.from_custom({n: v for n, v in values.items() if n in known})
    except Exception as error:
        raise ValueError(f"metadata has a wrong watch: {error}") from error


def _unpacked(watch: str) -> str:
    data = zlib.decompressobj().decompress(base64.b85decode(watch), _UNPACKED_BYTES)
    return data.decode()


@functools.lru_cache(maxsize=50_000)
def _account(watch: str, project: str, domain: str) -> Account:
    from .account import account_of

    return account_of(request_of(watch).access, project, domain)
