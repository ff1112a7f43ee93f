"""
How flytekit sends ``Decimal``, ``time`` and ``bytes``: as text, not as pickles.

flytekit has no transformer for these types and would write a pickle file, which an agent must not
read. Importing :class:`~flyte_agent_bigquery.BigQueryTask` registers one for each of them that
nobody else has registered: a STRING literal that holds the exact decimal, the ISO time, or the
base64 of the bytes; that is also what one types into Flyte's launch form.

The registration holds for the whole process, because both ends of an edge must agree: a Python
task that gives a ``Decimal`` to a BigQuery task is read by this transformer too. So every module
whose tasks exchange these types has to import this package.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any, TypeVar

from flytekit.core.type_engine import TypeEngine, TypeTransformer, TypeTransformerFailedError
from flytekit.models.literals import Literal, Primitive, Scalar
from flytekit.models.types import LiteralType, SimpleType

if TYPE_CHECKING:
    from collections.abc import Callable

    from flytekit.core.context_manager import FlyteContext

T = TypeVar("T")


class TextTransformer(TypeTransformer[T]):
    """A type that travels as the text of a STRING literal."""

    def __init__(
        self, kind: type[T], write: Callable[[T], str], read: Callable[[str], T], example: str
    ) -> None:
        # flytekit's own assertion would refuse what was typed on a command line.
        super().__init__(f"BigQuery {kind.__name__} as text", kind, enable_type_assertions=False)
        self._write, self._read, self._example = write, read, example

    def get_literal_type(self, t: Any = None) -> LiteralType:
        """Return STRING."""
        return LiteralType(simple=SimpleType.STRING)

    def guess_python_type(self, literal_type: LiteralType) -> type[T]:
        """Leave STRING to ``str``."""
        raise ValueError(f"{self.name} is not what {literal_type} stands for")

    def to_literal(
        self, ctx: FlyteContext, python_val: Any, python_type: Any, expected: LiteralType
    ) -> Literal:
        """
        Return the value as text.

        Text is taken for ``Decimal`` and ``time``, as ``pyflyte run`` gives what was typed.
        """
        kind = self.python_type
        if isinstance(python_val, str) and kind is not bytes:
            python_val = self._parsed(python_val)
        if type(python_val) is not kind:
            raise TypeTransformerFailedError(
                f"found {type(python_val).__name__} {python_val!r}, expected {kind.__name__}, "
                f"e.g. {self._example}"
            )
        text = self._write(python_val)
        return Literal(scalar=Scalar(primitive=Primitive(string_value=text)))

    def to_python_value(self, ctx: FlyteContext, lv: Literal, expected_python_type: Any) -> T:
        """Return the value that the text of ``lv`` stands for."""
        if lv.scalar and lv.scalar.binary:
            return self.from_binary_idl(lv.scalar.binary, expected_python_type)
        text = lv.scalar.primitive.string_value if lv.scalar and lv.scalar.primitive else None
        if text is None:
            raise TypeTransformerFailedError(
                f"found a literal that is not text, expected {self.python_type.__name__} as text. "
                "The task that made it wrote a pickle: import flyte_agent_bigquery in its module."
            )
        return self._parsed(text)

    def from_binary_idl(self, binary_idl_object: Any, expected_python_type: Any) -> T:
        """Return the value of one field of a dataclass, which flytekit keeps as msgpack."""
        import msgpack

        value = msgpack.loads(binary_idl_object.value)
        return value if isinstance(value, self.python_type) else self._parsed(value)

    def _parsed(self, text: str) -> T:
        try:
            return self._read(text)
        except (ValueError, ArithmeticError, binascii.Error) as error:
            raise TypeTransformerFailedError(
                f"found {text[:80]!r}, expected {self.python_type.__name__} such as {self._example}"
            ) from error


def _decimal_text(value: decimal.Decimal) -> str:
    if not value.is_finite():
        raise TypeTransformerFailedError(f"found {value}, expected a finite Decimal")
    return format(value, "f")


def _bytes_text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes_of(text: str) -> bytes:
    return base64.b64decode("".join(text.split()), validate=True)


TRANSFORMERS: tuple[TextTransformer[Any], ...] = (
    TextTransformer(decimal.Decimal, _decimal_text, decimal.Decimal, 'Decimal("1.50")'),
    TextTransformer(dt.time, dt.time.isoformat, dt.time.fromisoformat, "13:45:00"),
    TextTransformer(bytes, _bytes_text, _bytes_of, "base64 text"),
)


def register_transformers() -> None:
    """Register each of :data:`TRANSFORMERS` whose type has none yet; safe to repeat."""
    for transformer in TRANSFORMERS:
        TypeEngine.register_additional_type(transformer, transformer.python_type)
