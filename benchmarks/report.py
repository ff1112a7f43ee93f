"""What was measured, as tables for people and as JSON."""

from __future__ import annotations

import dataclasses
import math
import os
import platform
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

HEAD = (
    "| what | ours | stock | raw echo | ours / stock | ours / echo | wanted | met |\n"
    "|---|--:|--:|--:|--:|--:|---|---|"
)


@dataclasses.dataclass(frozen=True)
class Row:
    """
    One figure.

    Attributes:
        what: What was measured.
        unit: Of all three figures; empty for counts.
        ours: Our service's figure.
        stock: That of flytekit's service, if it has one.
        echo: That of a raw gRPC server that sends back what it gets.
        wanted: What it should be; empty for a figure that only explains others.
        met: Whether it is.
    """

    what: str
    unit: str
    ours: float
    stock: float | None = None
    echo: float | None = None
    wanted: str = ""
    met: bool | None = None

    def line(self) -> str:
        """Return it as a line of the table."""
        figures = [_figure(each, self.unit) for each in (self.ours, self.stock, self.echo)]
        ratios = [_ratio(self.ours, each) for each in (self.stock, self.echo)]
        met = {True: "yes", False: "**no**", None: ""}[self.met]
        return f"| {' | '.join([self.what, *figures, *ratios, self.wanted, met])} |"

    def as_json(self) -> dict[str, Any]:
        """Return it for machines; a figure that is not finite is null."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in dataclasses.asdict(self).items()
        }


def table(rows: Iterable[Row]) -> str:
    """Return rows as Markdown."""
    return "\n".join([HEAD, *(row.line() for row in rows)])


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{_short(value)} {unit}".strip()


def _ratio(ours: float, peer: float | None) -> str:
    if not peer or not math.isfinite(ours / peer):
        return ""
    return _short(ours / peer)


def _short(value: float) -> str:
    """Return three digits that count, or the whole number."""
    if not math.isfinite(value):
        return "-"
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def machine() -> str:
    """Return the class of this machine, nothing that names it."""
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {_memory_gib():.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}; "
        f"load average at the start {load:.1f}"
    )


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def into_page(page: Path, measured: Mapping[str, str]) -> None:
    """
    Put each part's text between its markers in a page; the rest of the page stays.

    Raises:
        ValueError: The page has no place for a part.
    """
    text = page.read_text()
    for name, found in measured.items():
        start, end = f"<!-- bench: {name} -->", f"<!-- end of {name} -->"
        pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
        text, places = pattern.subn(_escaped(f"{start}\n\n{found}\n\n{end}"), text)
        if places != 1:
            raise ValueError(
                f"{page.name}: found {places} places for {name}, expected {start} once"
            )
    page.write_text(text)


def _escaped(replacement: str) -> str:
    return replacement.replace("\\", r"\\")
