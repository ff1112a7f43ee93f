"""Pages of AWS's console."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from .config import SensorRequest

_CONSOLE = "https://s3.console.aws.amazon.com/s3"


def links_of(request: SensorRequest) -> dict[str, str]:
    """Return the page of what is waited for; other stores than AWS have none that is known."""
    if request.access.endpoint_url or request.bucket.startswith("arn:"):
        return {}
    region = f"&region={request.access.region}" if request.access.region else ""
    if len(request.keys) == 1:
        return {
            "S3 object": f"{_CONSOLE}/object/{request.bucket}?prefix={quote(request.keys[0], safe='')}{region}"
        }
    page = f"{_CONSOLE}/buckets/{request.bucket}?prefix={quote(request.start, safe='')}{region}"
    return {"S3 bucket": page}


def name_of(request: SensorRequest) -> str:
    """Return what is waited for, for people."""
    if request.keys:
        more = f" and {len(request.keys) - 1} more keys" if len(request.keys) > 1 else ""
        return f"s3://{request.bucket}/{request.keys[0][-300:]}{more}"
    if request.wildcard is not None:
        return f"s3://{request.bucket}/{request.wildcard[:300]}"
    if request.regex is not None:
        return f"s3://{request.bucket}/ matching {request.regex[:300]}"
    return f"s3://{request.bucket}/{request.start[:300]}…"
