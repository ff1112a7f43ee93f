"""
Plays stories by the thousand, on all cores.

An example::

    python -m flyte_agent_testing.stories tests/test_stories.py:STAGE --stories 10000 --processes 2

Without a stage it plays those of the example. The exit code is 1 if a story failed, which is then told, or if they took
longer than ``--within-s``.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import math
import multiprocessing
import os
import secrets
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .stage import Stage

_EXAMPLE = "flyte_agent_testing.stories.example:STAGE"
_BATCH = 250


def load(where: str) -> Stage:
    """
    Return a stage.

    Args:
        where: ``module:NAME`` or ``path/to/file.py:NAME``.

    Raises:
        SystemExit: There is none.
    """
    source, _, name = where.rpartition(":")
    try:
        module = _from_file(source) if source.endswith(".py") else importlib.import_module(source)
        stage: Stage = getattr(module, name)
    except (ImportError, AttributeError, OSError, ValueError) as error:
        raise SystemExit(
            f"stage: found {where!r} ({error}), expected module:NAME or path/to/file.py:NAME"
        ) from error
    return stage


def play_batch(where: str, stories: int, seed: int) -> str:
    """Play some stories in a process of its own; return what went wrong, ``""`` if nothing did."""
    from .check import StoryFailed, check_stories

    try:
        check_stories(load(where), examples=stories, seed=seed)
    except StoryFailed as failure:
        return str(failure)
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Play stories; return the exit code."""
    options = _options(arguments)
    load(options.stage)  # a mistake in it is told once, not by every process
    started_s, done = time.monotonic(), 0
    for size, failure in _batches(options):
        if failure:
            _say(f"\n{failure}\n")
            return 1
        done += size
        if sys.stdout.isatty():
            _say(f"\r{done} of {options.stories} stories")
    took_s = time.monotonic() - started_s
    _say(
        f"\r{done} stories, no invariant broken: {took_s:.0f} s, {done / took_s:.0f} per second; "
        f"seed {options.seed}, {options.processes} processes\n"
    )
    if took_s > options.within_s:
        _say(f"they took {took_s:.0f} s, expected at most {options.within_s:g} s\n")
        return 1
    return 0


def _batches(options: Any) -> Iterator[tuple[int, str]]:
    """Yield how many stories were played, and what went wrong, batch by batch as they are done."""
    batch = max(1, min(_BATCH, math.ceil(options.stories / options.processes)))
    sizes = [min(batch, options.stories - first) for first in range(0, options.stories, batch)]
    if options.processes == 1:
        for number, size in enumerate(sizes):
            yield size, play_batch(options.stage, size, options.seed + number)
        return
    # Fresh processes: what one of them has imported or left behind is no business of another.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(options.processes, mp_context=context) as pool:
        batches = {
            pool.submit(play_batch, options.stage, size, options.seed + number): size
            for number, size in enumerate(sizes)
        }
        try:
            for batch in as_completed(batches):
                yield batches[batch], batch.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _options(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(
        prog="python -m flyte_agent_testing.stories", description="Play random stories."
    )
    parser.add_argument("stage", nargs="?", default=_EXAMPLE, help="module:NAME or file.py:NAME")
    parser.add_argument("--stories", type=int, default=1000, help="how many (1000)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at once")
    parser.add_argument("--within-s", type=float, default=math.inf, help="seconds they may take")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), help="which stories")
    return parser.parse_args(arguments)


def _from_file(path: str) -> Any:
    name = Path(path).stem
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
