"""The status page of several processes: what each of them says, with its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .status_html import Row, Section, duration, page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def merged_page(statuses: Mapping[int, Mapping[str, Any]], starts: Mapping[int, int]) -> str:
    """
    Return one page.

    Args:
        statuses: By number of the process, its ``/status.json``; those that do not answer are not
            there.
        starts: How often a process was started in each place.
    """
    names = dict.fromkeys(s["name"] for status in statuses.values() for s in status["sections"])
    sections = [_merged(name, statuses) for name in names]
    about = f"{len(statuses)} of {len(starts)} processes answer"
    return page(about, [_processes(statuses, starts), *sections])


def _processes(statuses: Mapping[int, Mapping[str, Any]], starts: Mapping[int, int]) -> Section:
    rows = []
    for number, count in starts.items():
        status = statuses.get(number)
        state = "answers" if status else "does not answer"
        up = duration(status["up_s"]) if status else ""
        kind = "bad" if status is None else "warn" if count > 1 else ""
        rows.append(Row([number, state, up, count], kind))
    head = ["process", "state", "up for", "started (times)"]
    return Section("processes", "Processes", head, rows, "none")


def _merged(name: str, statuses: Mapping[int, Mapping[str, Any]]) -> Section:
    """Return a section of all processes; lines that are the same in several of them stand once."""
    numbers: dict[tuple[str, ...], list[int]] = {}
    kinds: dict[tuple[str, ...], str] = {}
    found: Mapping[str, Any] = {}
    for number, status in statuses.items():
        for section in status["sections"]:
            if section["name"] == name:
                found = section
                for row in section["rows"]:
                    cells = tuple(map(str, row["cells"]))
                    numbers.setdefault(cells, []).append(number)
                    kinds[cells] = row["kind"]
    rows = [Row([_all(who, statuses), *c], kinds[c]) for c, who in _sorted(name, numbers)]
    return Section(name, found["title"], ["process", *found["head"]], rows, found["nothing"])


def _sorted(
    name: str, numbers: Mapping[tuple[str, ...], list[int]]
) -> Sequence[tuple[tuple[str, ...], list[int]]]:
    """Return the lines by what they say, not by process; errors the newest first."""
    return sorted(numbers.items(), reverse=name == "errors")


def _all(who: list[int], statuses: Mapping[int, Any]) -> str:
    return "all" if len(who) == len(statuses) > 1 else ", ".join(map(str, sorted(set(who))))
