"""
What a check is: a test whose docstring has the rule, what Flyte does when it is broken, and the repair.

The docstring is all three at once: what a reader sees in the code, what the reference lists, and what a failure says.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

_SECTIONS = re.compile(
    r"(?P<rule>.+?)\n\nFlyte:(?P<flyte>.+?)\n\nTroubleshooting:(?P<repair>.+)", re.DOTALL
)


class Broken(AssertionError):
    """The agent broke the rule of a check; the text says what it did."""


class AgentRaised(Exception):
    """
    A call of the agent raised; some checks allow that, the others turn it into a failure.

    Attributes:
        operation: ``create``, ``get``, ``delete`` or ``do``.
        text: What Flyte would get to see.
    """

    def __init__(self, operation: str, text: str) -> None:
        super().__init__(f"{operation} raised {text}")
        self.operation = operation
        self.text = text


@dataclasses.dataclass(frozen=True)
class Rule:
    """
    What one check is about.

    Attributes:
        name: Name of the test.
        rule: What must hold.
        flyte: What Flyte does to a user when it does not.
        repair: What the author of the agent does about it.
    """

    name: str
    rule: str
    flyte: str
    repair: str

    def broken_by(self, did: str) -> str:
        """Return the message of a failure."""
        lines = [self.rule, "", f"  The agent: {did}", f"  Flyte:     {self.flyte}"]
        return "\n".join([*lines, f"  Repair:    {self.repair}", f"  Check:     {self.name}"])


def expect(holds: object, did: str) -> None:
    """
    Go on if ``holds``.

    Args:
        holds: Whether the agent kept the rule.
        did: What it did instead, as a sentence that begins with a verb.

    Raises:
        Broken: It did not.
    """
    if not holds:
        raise Broken(did)


def check(test: Callable[..., Any]) -> Callable[..., Any]:
    """
    Make a test of the kit: a coroutine gets a loop of its own, and a failure explains itself.

    Raises:
        TypeError: Its docstring has not the three sections.
    """
    rule = _rule_of(test)

    names = list(inspect.signature(test).parameters)[1:]

    @functools.wraps(test)
    def explained(self: Any, *args: Any, **fixtures: Any) -> None:
        try:
            _run(test, self, {**dict(zip(names, args, strict=False)), **fixtures})
        except Broken as broken:
            did = str(broken)
        except AgentRaised as raised:  # the traceback shows where
            raise AssertionError(rule.broken_by(str(raised))) from raised.__cause__
        else:
            return
        pytest.fail(rule.broken_by(did), pytrace=False)

    explained.rule = rule  # type: ignore[attr-defined]  # functions take attributes
    return explained


def rules_of(suite: type) -> list[Rule]:
    """Return the rules of a suite's checks, in the order in which they are written."""
    found: dict[str, Rule] = {}
    for cls in reversed(suite.__mro__):
        for name, test in vars(cls).items():
            if isinstance(rule := getattr(test, "rule", None), Rule):
                found[name] = rule
    return list(found.values())


def _run(test: Callable[..., Any], suite: Any, fixtures: dict[str, Any]) -> None:
    if inspect.iscoroutinefunction(test):
        asyncio.run(_on_bench(test, suite, fixtures))
    else:
        test(suite, **fixtures)


async def _on_bench(test: Callable[..., Any], suite: Any, fixtures: dict[str, Any]) -> None:
    async with fixtures["bench"]:
        await test(suite, **fixtures)


def _rule_of(test: Callable[..., Any]) -> Rule:
    found = _SECTIONS.fullmatch(inspect.getdoc(test) or "")
    if found is None:
        raise TypeError(
            f"{test.__qualname__}: its docstring needs a rule, then `Flyte:` and `Troubleshooting:`"
        )
    return Rule(
        test.__name__, **{key: " ".join(text.split()) for key, text in found.groupdict().items()}
    )
