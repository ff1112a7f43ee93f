"""What the demo shows: lines as things happen, on a terminal and in a file alike."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.rule import Rule
from rich.syntax import Syntax
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.status import Status

_COLOURS = {
    "QUEUED": "dim",
    "INITIALIZING": "yellow",
    "WAITING_FOR_RESOURCES": "yellow",
    "RUNNING": "cyan",
    "SUCCEEDED": "green",
}
_WIDTH_OF_A_FILE = 110


class Screen:
    """
    Writes to standard output.

    Args:
        console: Where to; by default standard output, as wide as the terminal.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or _console()
        self._started_s = time.monotonic()
        self._status: Status | None = None

    def title(self, text: str) -> None:
        """Begin a part."""
        self.console.print()
        self.console.print(Rule(f"[bold]{escape(text)}[/]", align="left", style="dim"))

    def say(self, text: str) -> None:
        """Write a paragraph; markup is understood."""
        self.console.print(text, highlight=False)

    def fact(self, name: str, value: str, about: str = "") -> None:
        """Write what is running where."""
        self._line(f"  [bold]{escape(name):<16}[/] {escape(value)}  [dim]{escape(about)}[/]")

    def code(self, text: str, language: str) -> None:
        """Show source code."""
        syntax = Syntax(text, language, theme="ansi_dark", background_color="default")
        self.console.print(Padding(syntax, (0, 0, 0, 4), expand=False))

    def step(self, node: str, what: str, detail: str = "") -> None:
        """Write one line about a node: a phase or a call, and what came with it."""
        elapsed_s = time.monotonic() - self._started_s
        colour = _COLOURS.get(what, "red" if "FAILED" in what else "dim")
        first, *rest = detail.splitlines() or [""]
        self._line(
            f"  [dim]{elapsed_s:5.1f} s[/]  {escape(node):<18} [{colour}]{escape(what):<13}[/] "
            f"{escape(first)}"
        )
        for line in rest:
            self._line(f"{'':43}{escape(line)}")

    def busy(self, nodes: Sequence[str]) -> None:
        """Say at the bottom of a terminal what is running; nothing when ``nodes`` is empty."""
        if not self.console.is_terminal:
            return
        if self._status is not None and not nodes:
            self._status.stop()
            self._status = None
        elif nodes:
            self._status = self._status or self.console.status("")
            self._status.update(f"[dim]running: {escape(', '.join(nodes))}[/]")
            self._status.start()

    def table(self, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Show rows that have the same keys."""
        table = Table(title=title, title_justify="left", title_style="bold", header_style="bold")
        names = list(rows[0]) if rows else []
        for name in names:
            is_number = all(isinstance(row[name], (int, float)) for row in rows)
            table.add_column(name, justify="right" if is_number else "left")
        for row in rows:
            table.add_row(*(_cell(row[name]) for name in names))
        self.console.print(Padding(table, (1, 0, 0, 2), expand=False))

    def _line(self, text: str) -> None:
        # A link that is broken over two lines cannot be clicked or copied.
        self.console.print(text, highlight=False, soft_wrap=True)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_OF_A_FILE)


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.1f}" if isinstance(value, float) else escape(str(value))
