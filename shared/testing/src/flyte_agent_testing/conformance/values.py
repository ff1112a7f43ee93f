"""Values on their way from the task to the vendor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from flyte_agent_core import Phase

from .answers import FAILURES, Answer
from .base import Conformance
from .checks import check, expect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flyteidl.admin.agent_pb2 import CreateTaskRequest

    from .bench import Bench
    from .replica import Replica
    from .service import Remote

_EXACT = (0, 3, -7, 2**53 - 1, 2**53 + 1, 2**63 - 1)
_TEXT = "  two  blanks\t'\"`\\ {{ .inputs.x }} %s {0} -- comment\n\nnext: Zürich 東京 🦋 e\u0301 \u202eabc\u200b  "


class ValueChecks(Conformance):
    """
    Numbers, texts, and much of either.

    Attributes:
        large_chars: Characters of the largest text; more than gRPC's own limit of 4 MiB.
    """

    async def submit(
        self, bench: Bench, request: CreateTaskRequest, replica: Replica | Remote
    ) -> Answer:
        """Have a replica take up a task, and return what it says next."""
        raise NotImplementedError

    large_chars: ClassVar[int] = 5_000_000

    @check
    async def test_whole_numbers_arrive_exactly(
        self, bench: Bench, carrying: Callable[[Any], CreateTaskRequest]
    ) -> None:
        """
        Whole numbers arrive as whole numbers, with all of their digits.

        Flyte: sends `custom` as a protobuf Struct, in which every number is a double: 3 comes as
        3.0, which vendors refuse, and digits beyond 2^53 are lost without a word.

        Troubleshooting: read `custom` through `attempt.custom` or `attempt.config()`, and send what
        may be larger as text (`Config.to_custom()` does).
        """
        self.needs("carries_values")
        for number in _EXACT:
            answer = await self.submit(bench, carrying(number), bench.first)
            if answer.phase is Phase.FAILED:  # refused, and the user knows
                continue
            arrived = list(_leaves(bench.backend.received()[-1]))
            found = [leaf for leaf in arrived if _is_number(leaf) and _same(leaf, number)]
            exact = [leaf for leaf in found if not isinstance(leaf, float) and int(leaf) == number]
            expect(exact, f"sent {found or 'something else'} to the vendor for {number}")

    @check
    async def test_text_arrives_verbatim(
        self, bench: Bench, carrying: Callable[[Any], CreateTaskRequest]
    ) -> None:
        """
        Text arrives as it was written: white space, quotes, templates, every script there is.

        Flyte: sends text verbatim and expands nothing in it; in SQL whose line breaks are gone a
        comment swallows the rest.

        Troubleshooting: pass text on as it is; encode it as UTF-8 and quote it only where the
        vendor's format asks for it.
        """
        self.needs("carries_values")
        answer = await self.submit(bench, carrying(_TEXT), bench.first)
        expect(
            answer.phase not in FAILURES, f"answered {answer} for a text with all sorts of signs"
        )
        arrived = [leaf for leaf in _leaves(bench.backend.received()[-1]) if isinstance(leaf, str)]
        expect(
            _TEXT in arrived, f"sent other text to the vendor than was written: {_nearest(arrived)}"
        )

    @check
    async def test_large_values_are_answered(
        self, bench: Bench, carrying: Callable[[Any], CreateTaskRequest]
    ) -> None:
        """
        A task with 5 MB of text works, or is refused with a reason.

        Flyte: sends inputs of any size; they must not come back in the metadata, nor in messages.

        Troubleshooting: keep inputs out of the metadata; raise TaskError if the vendor takes less.
        """
        self.needs("carries_values")
        remote = await bench.remote()
        answer = await self.submit(bench, carrying("x" * self.large_chars), remote)
        said = f"answered {answer.phase.name} to {self.large_chars} characters"
        refused = answer.phase is Phase.FAILED and answer.message
        expect(answer.phase not in FAILURES or refused, said)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _is_number(leaf: Any) -> bool:
    is_text = isinstance(leaf, str) and leaf.lstrip("-").isdecimal()
    return is_text or (isinstance(leaf, (int, float)) and not isinstance(leaf, bool))


def _same(leaf: Any, number: int) -> bool:
    """Whether a leaf may be what became of a number."""
    return abs(float(leaf) - number) <= abs(number) * 1e-12


def _nearest(arrived: list[str]) -> str:
    """Return what became of the text, shortened."""
    words = [text for text in arrived if "two" in text]
    return repr((words or arrived or [""])[0][:120])
