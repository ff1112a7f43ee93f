"""
What tasks of a Flyte project and domain may do, asked before an agent's create or do.

The rules are in ``[policy]`` of ``flyte-agent.toml``; all that are about an attempt must hold. What
an attempt touches, the agent says itself (``policy_facts``), from the same reading of the task that
the job is made of. A fact that a rule is about and the agent does not state is a refusal, so a
mistake in a rule shuts a door and opens none.
"""

from __future__ import annotations

import dataclasses
import fnmatch
from typing import TYPE_CHECKING, Any

from .config_file import known, read_policy, shown, texts
from .errors import ConfigFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flyte_agent_core import Attempt

Facts = dict[str, list[str]]
"""What an attempt touches: kind of thing → names; numbers, as text, for what has a ceiling."""

REFUSED = "POLICY.REFUSED"

_SCOPE = ("projects", "domains", "task_types")
_PARTS = ("allow", "deny", "labels")


@dataclasses.dataclass(frozen=True)
class Rule:
    """
    One rule; patterns are those of shells (``finance-*``).

    Attributes:
        name: Stands in the message of a refusal.
        projects: Flyte projects that it is about.
        domains: Flyte domains that it is about.
        task_types: Task types that it is about.
        only_task_types: The task types that may run at all; empty for every one.
        allow: Fact → patterns, one of which each value must fit.
        deny: Fact → patterns, none of which a value may fit.
        ceilings: Fact → the largest value.
        labels: Label that the execution must have → patterns, one of which its value must fit.
        contact: Who can be asked; the policy's own if empty.
    """

    name: str
    projects: tuple[str, ...] = ("*",)
    domains: tuple[str, ...] = ("*",)
    task_types: tuple[str, ...] = ("*",)
    only_task_types: tuple[str, ...] = ()
    allow: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    deny: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    ceilings: Mapping[str, float] = dataclasses.field(default_factory=dict)
    labels: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    contact: str = ""

    def is_about(self, attempt: Attempt) -> bool:
        """Whether it must hold for the attempt."""
        who = attempt.identity
        return (
            _fits(who.project, self.projects)
            and _fits(who.domain, self.domains)
            and _fits(attempt.template.type, self.task_types)
        )

    def objections(self, attempt: Attempt, facts: Facts) -> Iterator[str]:
        """Yield what is wrong: field, found, expected."""
        task_type = attempt.template.type
        if self.only_task_types and not _fits(task_type, self.only_task_types):
            yield f"task type: found {task_type!r}, allowed are {_list(self.only_task_types)}"
        for name, patterns in self.allow.items():
            yield from _outside(name, facts, patterns)
        for name, patterns in self.deny.items():
            yield from _inside(name, facts, patterns)
        for name, ceiling in self.ceilings.items():
            yield from _above(name, facts, ceiling)
        labels = attempt.identity.labels
        for name, patterns in self.labels.items():
            if not _fits(labels.get(name, ""), patterns) or not labels.get(name):
                yield (
                    f"label {name!r} of the execution: found {labels.get(name, '')!r}, "
                    f"expected a value like {_list(patterns)}"
                )


@dataclasses.dataclass(frozen=True)
class Policy:
    """
    All rules, as of the last time the file was read.

    Attributes:
        default: ``deny``: what no rule is about is refused.
        contact: Who can be asked.
    """

    rules: tuple[Rule, ...] = ()
    default: str = "allow"
    contact: str = ""

    def __bool__(self) -> bool:
        """Whether there is anything to ask."""
        return bool(self.rules) or self.default == "deny"

    def refusal(self, attempt: Attempt, facts: Facts) -> str:
        """Return why the attempt may not run, which rule says so and who can change it; or ``""``."""
        about = [rule for rule in self.rules if rule.is_about(attempt)]
        if not about and self.default == "deny":
            who = attempt.identity
            reason = (
                f"no rule is about task type {attempt.template.type!r} of project "
                f"{who.project!r}, domain {who.domain!r}, and the default is to refuse"
            )
            return _sentence(reason, "its default", self.contact)
        for rule in about:
            objections = list(rule.objections(attempt, facts))
            if objections:
                name = f"its rule {rule.name!r}"
                return _sentence("; ".join(objections), name, rule.contact or self.contact)
        return ""


def read(path: str) -> Policy:
    """
    Return the policy in a file; none at all for ``""``.

    Raises:
        ConfigFileError: The file cannot be read, or says something unknown.
    """
    table = read_policy(path) if path else {}
    where = f"{path}: policy"
    known(table, ("rules", "default", "contact"), where)
    default, contact = table.get("default", "allow"), table.get("contact", "")
    if default not in {"allow", "deny"}:
        raise ConfigFileError(f"{where}.default: found {shown(default)}, expected 'allow', 'deny'")
    rules = table.get("rules", [])
    if not isinstance(rules, list):
        raise ConfigFileError(f"{where}.rules: found {shown(rules)}, expected [[policy.rules]]")
    made = [_rule(f"{where}.rules[{n}]", values) for n, values in enumerate(rules)]
    return Policy(tuple(made), default, _text(f"{where}.contact", contact))


def _rule(where: str, values: Any) -> Rule:
    if not isinstance(values, dict):
        raise ConfigFileError(f"{where}: found {shown(values)}, expected a table")
    known(values, [field.name for field in dataclasses.fields(Rule)], where)
    read_as: dict[str, Any] = {
        **dict.fromkeys((*_SCOPE, "only_task_types"), texts),
        **dict.fromkeys(_PARTS, _patterns),
        **dict.fromkeys(("name", "contact"), _text),
        "ceilings": _numbers,
    }
    if not values.get("name"):
        raise ConfigFileError(f"{where}.name: found none, expected a name for messages")
    return Rule(**{key: read_as[key](f"{where}.{key}", value) for key, value in values.items()})


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ConfigFileError(f"{where}: found {shown(value)}, expected a text")
    return value


def _patterns(where: str, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ConfigFileError(f"{where}: found {shown(value)}, expected a table of lists of texts")
    return {name: texts(f"{where}.{name}", patterns) for name, patterns in value.items()}


def _numbers(where: str, value: Any) -> dict[str, float]:
    if not isinstance(value, dict):
        raise ConfigFileError(f"{where}: found {shown(value)}, expected a table of numbers")
    for name, number in value.items():
        if not isinstance(number, (int, float)) or isinstance(number, bool) or not number >= 0:
            raise ConfigFileError(
                f"{where}.{name}: found {shown(number)}, expected a number, 0 or more"
            )
    return value


def _outside(name: str, facts: Facts, patterns: Sequence[str]) -> Iterator[str]:
    if name not in facts:
        yield _unstated(name, facts)
    for value in facts.get(name, ()):
        if not _fits(value, patterns):
            yield f"{name}: found {value!r}, allowed are {_list(patterns)}"


def _inside(name: str, facts: Facts, patterns: Sequence[str]) -> Iterator[str]:
    if name not in facts:
        yield _unstated(name, facts)
    for value in facts.get(name, ()):
        if _fits(value, patterns):
            yield f"{name}: found {value!r}, which is refused"


def _above(name: str, facts: Facts, ceiling: float) -> Iterator[str]:
    if name not in facts:
        yield _unstated(name, facts)
    elif not facts[name]:
        yield f"{name}: found no limit in the task, expected one of at most {ceiling:,}"
    for value in facts.get(name, ()):
        if not _number(value) <= ceiling:
            yield f"{name}: found {value}, expected at most {ceiling:,}"


def _number(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        return float("nan")  # below no ceiling


def _unstated(name: str, facts: Facts) -> str:
    stated = ", ".join(sorted(facts)) or "nothing"
    return f"{name}: the agent of this task type does not tell it (it tells {stated})"


def _fits(value: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)


def _list(patterns: Sequence[str]) -> str:
    return ", ".join(map(repr, patterns)) or "none"


def _sentence(reason: str, which: str, contact: str) -> str:
    who = contact or "whoever operates the agent service"
    return (
        f"the policy of the agent service refuses this task by {which}: {reason}. "
        f"Change the task, or ask {who} to change the rule"
    )
