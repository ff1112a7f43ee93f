"""Nothing imports this module; metadata that names it must not make an agent do so."""

from __future__ import annotations


def trip() -> None:
    """Be called by whoever runs code out of data; being imported is enough to be noticed."""
