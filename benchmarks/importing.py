"""What an installed agent adds to ``import flytekit``, in every process of every author."""

from __future__ import annotations

import statistics
import subprocess
import time

from report import Row
from setting import Setting

TITLE = "import flytekit"
REACH = 1.05


def measure(setting: Setting) -> list[Row]:
    """Return what the import costs with our agents, with the stock plugins, and with neither."""
    pythons = {"ours": setting.author, "stock": setting.stock, "bare": setting.bare}
    taken: dict[str, list[float]] = {name: [] for name in pythons}
    for _ in range(setting.sizes.imports):
        for name, python in pythons.items():
            taken[name].append(_seconds(python))
    ours, stock, bare = (statistics.median(taken[name]) for name in pythons)
    return [
        Row("with all agents; stock with its plugins", "s", ours, stock),
        Row("with all agents; stock with none", "s", ours, bare, None,
            f"at most {REACH} x stock with none", ours <= REACH * bare),
    ]  # fmt: skip


def _seconds(python: str) -> float:
    start_s = time.perf_counter()
    subprocess.run([python, "-c", "import flytekit"], check=True)
    return time.perf_counter() - start_s
