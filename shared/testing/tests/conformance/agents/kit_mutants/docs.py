"""
The generated parts of the reference: which checks there are, and which mutant each of them catches.

Written by ``python shared/testing/tests/conformance/write_docs.py``; a test compares.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from flyte_agent_testing.conformance import (
    AsyncAgentConformance,
    SensorConformance,
    SyncAgentConformance,
)
from flyte_agent_testing.conformance.checks import Rule

from . import suite
from .mutant import ALL, PREFIX, Mutant

FOLDER = Path(__file__).parents[6] / "docs" / "reference"
BEGIN, END = "% generated: begin", "% generated: end"
KINDS = {
    "async": AsyncAgentConformance,
    "sync": SyncAgentConformance,
    "sensor": SensorConformance,
}
INTRODUCTION = f"""# What the kit catches

{BEGIN}

Agents that are broken on purpose, one defect each.
The first check that is named is about this very defect; the others fail because of what follows from it.
The reference agents, which keep every rule, fail none.
This page is generated from `{Path(suite.__file__).parent.name}` in the tests of `flyte-agent-testing`, where each of
these agents is run through the whole kit: it must fail these checks and no other.
"""


def pages() -> dict[Path, str]:
    """Return the pages with generated parts as they should be."""
    by_hand = FOLDER / "conformance.md"
    before, _, rest = by_hand.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    whole = f"{before}{BEGIN}\n\n{''.join(_checks())}\n{END}{after}"
    return {by_hand: whole, FOLDER / "conformance-mutants.md": "".join(_mutants())}


def _checks() -> Iterator[str]:
    for group, rules in _grouped().items():
        yield f"### {group}\n\n"
        for rule, kinds in rules:
            yield f"`{rule.name}` ({', '.join(kinds)})\n: {rule.rule}\n"
            yield f"  **Flyte** {rule.flyte}\n  **Repair:** {rule.repair}\n\n"


def _grouped() -> dict[str, list[tuple[Rule, list[str]]]]:
    """Return every check with the kinds of agents it is for, by the first line of its class."""
    kinds: dict[str, dict[tuple[str, str], list[str]]] = {}
    rules: dict[tuple[str, str], Rule] = {}
    for kind, conformance in KINDS.items():
        for cls in reversed(conformance.__mro__):
            for name, test in vars(cls).items():
                if isinstance(rule := getattr(test, "rule", None), Rule):
                    rules[cls.__name__, name] = rule
                    kinds.setdefault(_title(cls), {}).setdefault((cls.__name__, name), []).append(
                        kind
                    )
    return {g: [(rules[key], where) for key, where in each.items()] for g, each in kinds.items()}


def _title(cls: type) -> str:
    module = inspect.getdoc(inspect.getmodule(cls)) or ""
    return module.partition("\n")[0].strip().rstrip(".")


def _mutants() -> Iterator[str]:
    yield INTRODUCTION
    for module, mutants in _by_module().items():
        yield f"\n## {module}\n\n| mutant | its defect | caught by | seen in |\n|---|---|---|---|\n"
        for mutant in mutants:
            checks = ", ".join(f"`{check.removeprefix(PREFIX)}`" for check in mutant.caught_by)
            defect = mutant.defect.replace("|", "\\|")
            yield f"| `{mutant.name}` | {defect} | {checks} | {mutant.seen_in} |\n"
    yield f"\n{END}\n"


def _by_module() -> dict[str, list[Mutant]]:
    found: dict[str, list[Mutant]] = {}
    for mutant in ALL:
        title = mutant.group.partition("\n")[0].strip().rstrip(".")
        found.setdefault(title, []).append(mutant)
    return found
