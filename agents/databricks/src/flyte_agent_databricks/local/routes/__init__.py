"""The HTTP of the stand-in, by group."""

from __future__ import annotations
