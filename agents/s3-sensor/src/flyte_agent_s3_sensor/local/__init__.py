"""A stand-in for S3, SQS, SNS, STS and EventBridge on this machine (``pip install flyte-agent-s3-sensor[local]``)."""

from __future__ import annotations

from .server import LocalS3

__all__ = ["LocalS3"]
