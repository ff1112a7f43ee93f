"""
Damaged requests to every RPC of both protocols; the service's own test, with many more inputs.

The inputs go to several runs with seeds of their own: hypothesis remembers all that it has tried.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

from report import Row
from setting import SOURCES, Setting

TITLE = "Fuzz of every RPC of both protocols"
TEST = SOURCES.parent / "shared" / "server" / "tests" / "test_fuzz.py"
AT_ONCE, ONE_RUN = 2, 5_000


def measure(setting: Setting) -> list[Row]:
    """Return how many inputs were answered well; a run with one that was not is shown."""
    wanted = setting.sizes.fuzz
    runs = [min(ONE_RUN, wanted - begun) for begun in range(0, wanted, ONE_RUN)]
    passed = failed = 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda seed, inputs: _run(setting, inputs, seed), itertools.count(), runs)
        for inputs in found:
            passed, failed = passed + inputs, failed + (not inputs)
            print(f"{passed:,} inputs", flush=True)
    return [
        Row("inputs answered well", "", passed, None, None, f"{wanted:,}", passed >= wanted),
        Row("runs with an input answered badly", "", failed, None, None, "0", not failed),
    ]


def _run(setting: Setting, inputs: int, seed: int) -> int:
    """Return ``inputs`` if all of them were answered well, else 0."""
    command = [setting.ours, "-m", "pytest", str(TEST), f"--hypothesis-seed={seed}"]
    env = {**os.environ, "FLYTE_AGENT_FUZZ": str(inputs)}
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider"], env=env, cwd=setting.folder, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
    return 0 if done.returncode else inputs
