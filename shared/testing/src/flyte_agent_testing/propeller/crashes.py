"""Where propeller may die: the places between any two steps that an agent can notice, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

CRASH_POINTS: Mapping[str, str] = {
    "before-create": "before it sent CreateTask",
    "during-create": "during CreateTask",
    "after-create": "before it stored the metadata",
    "after-store": "after it stored the metadata, before the first poll",
    "before-execute": "before it sent ExecuteTaskSync",
    "during-execute": "during ExecuteTaskSync",
    "after-execute": "before it stored the result",
    "before-get": "between two polls",
    "during-get": "during GetTask",
    "after-get": "before it acted on the answer",
    "before-end": "before it stored how the attempt ended",
    "before-delete": "before it sent DeleteTask",
    "during-delete": "during DeleteTask",
    "after-delete": "before it stored that DeleteTask was answered",
    "between-attempts": "before it began the next attempt",
}
"""Name -> when propeller dies. Its successor knows what was stored, and repeats the rest."""

# The older names of some of them are fields of Faults.
SHORTHANDS: Mapping[str, str] = {
    "after-create": "crash_after_create",
    "after-execute": "crash_after_create",
    "after-get": "crash_before_round",
    "after-delete": "repeated_delete",
    "during-create": "crash_during_create",
}


def check_names(names: Mapping[str, float]) -> None:
    """
    Refuse names that no crash point has.

    Raises:
        ValueError: There is one.
    """
    if unknown := sorted(set(names) - set(CRASH_POINTS)):
        raise ValueError(
            f"Faults.crashes: found {', '.join(unknown)}, expected names of {', '.join(CRASH_POINTS)}"
        )
