"""A stand-in for BigQuery on this machine (``pip install flyte-agent-bigquery[local]``)."""

from __future__ import annotations

from .server import LocalBigQuery

__all__ = ["LocalBigQuery"]
