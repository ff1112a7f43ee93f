"""The status page's HTML: every text that goes in is escaped here and nowhere else."""

from __future__ import annotations

import dataclasses
import time
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HTML = "text/html; charset=utf-8"
"""The type of the page."""

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; } h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem; }
header { display: flex; gap: 1rem; align-items: baseline; flex-wrap: wrap; }
header span, .none, footer { color: #777; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid #8884;
  vertical-align: top; overflow-wrap: break-word; }
th { font-weight: 600; font-size: .85rem; color: #777; white-space: nowrap; }
.bad td { color: #c62828; } .warn td { color: #b26a00; }
footer { margin-top: 2rem; font-size: .85rem; }
"""


@dataclasses.dataclass(frozen=True)
class Row:
    """One line of a table: its cells as they are, not escaped, and how it stands out."""

    cells: Sequence[object]
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class Section:
    """
    A part of the page: a table, or the words for none.

    Attributes:
        name: What the sections of several processes have in common.
        title: What stands above it.
        head: The names of the columns.
        rows: The lines of the table.
        nothing: Stands there when there is no line.
    """

    name: str
    title: str
    head: Sequence[str]
    rows: Sequence[Row]
    nothing: str

    def html(self) -> str:
        """Return it as HTML."""
        content = _table(self) if self.rows else f'<p class="none">{escape(self.nothing)}</p>'
        return f"<section><h2>{escape(self.title)}</h2>{content}</section>"


def _table(section: Section) -> str:
    heads = "".join(f'<th scope="col">{escape(each)}</th>' for each in section.head)
    body = "".join(
        f'<tr class="{escape(row.kind)}">'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in row.cells)
        + "</tr>"
        for row in section.rows
    )
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def page(about: str, sections: Sequence[Section]) -> str:
    """Return the page."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="refresh" content="10">'
        f"<title>Flyte agents</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>Flyte agents</h1><span>{escape(about)}</span></header>"
        f"<main>{''.join(section.html() for section in sections)}</main>"
        f"<footer>{escape(now)}; comes again every 10 s. For machines: /status.json, "
        "/metrics</footer>"
        "</body></html>"
    )


def duration(seconds: float) -> str:
    """Return a time for people: ``3 min``."""
    whole = int(seconds)
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if whole >= 2 * size:
            return f"{whole // size} {unit}"
    return f"{whole} s"


def send(start: Callable[..., Any], status: str, kind: str, text: str) -> list[bytes]:
    """Answer an HTTP request with a text that nothing may be loaded from or run in."""
    body = text.encode()
    headers = [
        ("Content-Type", kind),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        # Nothing is loaded from anywhere and no script runs, whatever got into the page.
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start(status, headers)
    return [body]
