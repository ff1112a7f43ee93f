"""The stand-in as people start it: by its command, in the sandbox, in the demo."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from typing import Any

import boto3
import pytest
from flytekit.exceptions.user import FlyteUserException

from flyte_agent_s3_sensor.local import LocalS3
from flyte_agent_s3_sensor.local.demo import FILES, Arrival
from flyte_agent_s3_sensor.local.sandbox import BUCKET, QUEUE, S3Sandbox


@pytest.fixture
def sandbox(monkeypatch):
    running = S3Sandbox().start(0)
    for name, value in running.environment().items():
        monkeypatch.setenv(name, value)
    yield running
    running.stop()
    running.stop()


def test_the_sandbox_has_a_bucket_and_a_queue_with_its_events(sandbox):
    s3, sqs = boto3.client("s3"), boto3.client("sqs")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"
    received = sqs.receive_message(
        QueueUrl=sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"], MaxNumberOfMessages=10
    )
    assert any("ObjectCreated:Put" in message["Body"] for message in received["Messages"])


def test_what_was_kept_is_gone_after_the_end():
    for _ in range(2):
        with LocalS3() as server:
            assert server.client("s3").list_buckets()["Buckets"] == []
            server.make_bucket("again")
            server.make_bucket("again")


def test_a_port_that_is_taken_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="taken"):
        LocalS3(taken.getsockname()[1]).start()


class Story:
    """What a chapter tells with, on local runs."""

    def __init__(self, data: Any) -> None:
        self.data, self.handover, self.told = data, {}, []

    async def run(self, workflow: Any) -> dict[str, Any]:
        return {"o0": await asyncio.to_thread(workflow)}

    async def run_into_error(self, workflow: Any) -> str:
        with pytest.raises(FlyteUserException) as caught:
            await asyncio.to_thread(workflow)
        self.told.append(str(caught.value))
        return str(caught.value)

    def say(self, text: str) -> None:
        self.told.append(text)

    def table(self, title: str, rows: Any) -> None:
        self.told.extend(row["object"] for row in rows)


def test_the_chapter_begins_when_the_files_arrive(sandbox, tmp_path):
    for name in FILES:
        tmp_path.joinpath(f"{name}.csv").write_text("a,b\n")
    story = Story(tmp_path)
    asyncio.run(Arrival().tell(story))
    assert [f"nyc/2013/{name}.csv" in story.told for name in FILES] == [True] * 3
    assert story.handover["flights.s3"].startswith(
        "s3://flyte-demo/nyc/2013/flights.csv?versionId="
    )
    assert "The time is up" in story.told[-1]


def test_the_command_says_what_to_export_and_ends_when_asked():
    command = [
        sys.executable,
        "-m",
        "flyte_agent_s3_sensor.local",
        "--port",
        "0",
        "--bucket",
        "mine",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        exports = dict(
            process.stdout.readline().removeprefix("export ").strip().split("=", 1)
            for _ in range(4)
        )
        client = boto3.client(
            "s3", endpoint_url=exports["AWS_ENDPOINT_URL"], region_name="us-east-1",
            aws_access_key_id="local", aws_secret_access_key="local",
        )  # fmt: skip
        buckets = [bucket["Name"] for bucket in client.list_buckets()["Buckets"]]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert buckets == ["mine"]
