"""A stand-in for OpenAI on this machine (``pip install flyte-agent-openai-sync[local]``)."""

from __future__ import annotations

from .server import LocalOpenAI

__all__ = ["LocalOpenAI"]
