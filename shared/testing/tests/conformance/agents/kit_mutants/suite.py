"""Every mutant in its suite, as pytest would find them in a project; run by test_mutants.py only."""

from __future__ import annotations

from . import (  # noqa: F401  # each adds its own
    creating,
    keeping,
    packaging,
    polling,
    sensing,
    showing,
    stopping,
    syncing,
    waiting,
)
from .mutant import ALL

globals().update({mutant.suite.__name__: mutant.suite for mutant in ALL})
