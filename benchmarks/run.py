"""
Our service beside flytekit's and a raw gRPC server, in one run.

``nox -s bench -- NAME...`` makes the environments and calls this. Figures are ratios of one run:
machines differ.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import report
from setting import TINY, Setting, Sizes

PARTS = (
    "noop", "polling", "many", "openai", "s3", "databricks", "stuck", "starting", "memory", "restart",
    "importing", "fuzz",
)  # fmt: skip
MODULES = {"openai": "openai_calls", "s3": "s3_sensors", "databricks": "databricks_runs"}
"""Where a part's name is that of a library."""

PYTHONS = ("ours", "served", "author", "stock", "bare", "spark")


def arguments() -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(PARTS)}; all")
    for name in PYTHONS:
        parser.add_argument(f"--{name}", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tiny", action="store_true", help="only see whether everything runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into this page")
    parser.add_argument("--strict", action="store_true", help="fail if a figure is not as wanted")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are: {', '.join(PARTS)}")
    return asked


def measured(names: list[str], setting: Setting) -> dict[str, list[report.Row]]:
    """Measure the parts one after the other, and print each as it is done."""
    found = {}
    for name in names:
        part: Any = importlib.import_module(MODULES.get(name, name))
        print(f"\n### {part.TITLE}\n", flush=True)
        found[name] = part.measure(setting)
        print(report.table(found[name]), flush=True)
    return found


def write(asked: argparse.Namespace, found: dict[str, list[report.Row]], machine: str) -> None:
    """Write what was measured where it was asked for."""
    if asked.json:
        rows = {name: [row.as_json() for row in each] for name, each in found.items()}
        asked.json.write_text(json.dumps({"machine": machine, "parts": rows}, indent=1) + "\n")
    if asked.write:
        texts = {
            name: f"Measured on {machine}.\n\n{report.table(each)}" for name, each in found.items()
        }
        report.into_page(asked.write, texts)


def main() -> int:
    """Run what was asked for; 1 if that is not as wanted, and this matters."""
    asked, machine = arguments(), report.machine()
    pythons = {name: str(Path(getattr(asked, name)).absolute()) for name in PYTHONS}
    names = [name for name in PARTS if not asked.names or name in asked.names]
    print(machine)
    with tempfile.TemporaryDirectory() as folder:
        sizes = TINY if asked.tiny else Sizes()
        found = measured(names, Setting(folder=Path(folder), sizes=sizes, **pythons))
    write(asked, found, machine)
    missed = [row.what for rows in found.values() for row in rows if row.met is False]
    for what in missed:
        print(f"not as wanted: {what}")
    return int(asked.strict and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
