"""
S3's chapter of ``flyte-agent demo``: the story starts when a file arrives.

It has the form that ``flyte_agent_server.demo.chapters`` describes. The sensors are as they would be for a
cluster; that the files come while they wait is the story's doing.
"""

from __future__ import annotations

import asyncio
import dataclasses
from typing import Any

import boto3
from flytekit import workflow

from flyte_agent_s3_sensor import S3Found, S3Sensor, Where

from .sandbox import BUCKET

FILES = ("flights", "weather", "airlines")
PREFIX = "nyc/2013/"
ARRIVES_AFTER_S = 0.6

wait_for_files = S3Sensor(
    "arrival.wait_for_files",
    BUCKET,
    wildcard=f"{PREFIX}*.csv",
    marker="./_SUCCESS",  # the last one says that all are there
    min_count=len(FILES),
    where=Where(min_bytes=1),
    output=S3Found,
    timeout_s=60,
)

never = S3Sensor("arrival.never", BUCKET, f"{PREFIX}trains.csv", timeout_s=1)


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def arrival() -> S3Found:
    """Wait for three files and the marker that says they are complete."""
    found: S3Found = wait_for_files()
    return found


@workflow  # type: ignore[untyped-decorator]  # flytekit's has no types
def arrival_in_vain() -> None:
    """Wait for a file that nobody sends."""
    never()


class Arrival:
    """The chapter."""

    order = 10
    title = "S3: the story starts when a file arrives"
    requires = ("s3-sensor",)
    try_next = (
        "aws s3 cp FILE s3://flyte-demo/ with what flyte-agent sandbox says to export",
        "                           puts a file where a sensor of yours waits for it",
    )

    async def tell(self, story: Any) -> None:
        """Wait, let the files come, and show what was found; then wait in vain."""
        story.say(
            f"A sensor waits for s3://{BUCKET}/{PREFIX}*.csv and for the marker that says they are all there.\n"
            "Nothing runs meanwhile: each poll of Flyte's is one request.\n"
        )
        coming = asyncio.ensure_future(_bring(story))
        (found,) = (await story.run(arrival)).values()
        await coming
        story.table(
            "What has arrived, pinned to the version that was seen (a dataclass)",
            [
                {"object": o.key, "bytes": f"{o.size_bytes:,}", "version": o.version_id}
                for o in found.objects
            ],
        )
        for seen in found.objects:
            name = seen.key.removeprefix(PREFIX).removesuffix(".csv")
            story.handover[f"{name}.s3"] = dataclasses.asdict(seen)["uri"]
        story.say("\nA file that never comes ends in a clear message, and in no retry.\n")
        await story.run_into_error(arrival_in_vain)


async def _bring(story: Any) -> None:
    """Send the files one after the other, the marker last."""
    await asyncio.sleep(ARRIVES_AFTER_S)
    await asyncio.to_thread(_send, story)


def _send(story: Any) -> None:
    s3 = boto3.client("s3")
    for name in FILES:
        s3.upload_file(str(story.data / f"{name}.csv"), BUCKET, f"{PREFIX}{name}.csv")
    s3.put_object(Bucket=BUCKET, Key=f"{PREFIX}_SUCCESS")
