"""The status page's HTML: every text that goes in is escaped here and nowhere else."""

from __future__ import annotations

import dataclasses
import time
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


def table(head: Sequence[str], rows: Iterable[Row], nothing: str) -> str:
    """Return a table, or the words for none."""
    lines = [
        f'<tr class="{escape(row.kind)}">'
        + "".join(f"<td>{escape(str(cell))}</td>" for cell in row.cells)
        + "</tr>"
        for row in rows
    ]
    if not lines:
        return f'<p class="none">{escape(nothing)}</p>'
    heads = "".join(f'<th scope="col">{escape(each)}</th>' for each in head)
    body = "".join(lines)
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'


def section(title: str, content: str) -> str:
    """Return a part of the page; ``content`` is HTML."""
    return f"<section><h2>{escape(title)}</h2>{content}</section>"


def page(about: str, sections: Sequence[str]) -> str:
    """Return the page; ``sections`` are HTML."""
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta http-equiv="refresh" content="10">'
        f"<title>Flyte agents</title><style>{_STYLE}</style></head><body>"
        f"<header><h1>Flyte agents</h1><span>{escape(about)}</span></header>"
        f"<main>{''.join(sections)}</main>"
        f"<footer>{escape(now)}; comes again every 10 s. Metrics: /metrics</footer>"
        "</body></html>"
    )
