"""
The stand-in as ``flyte-agent sandbox`` and ``flyte-agent demo`` start it.

The class has the form that ``flyte_agent_server.sandbox`` describes.
"""

from __future__ import annotations

from flyte_agent_s3_sensor.local import LocalS3

BUCKET = "flyte-demo"
"""A bucket that is there from the beginning, and keeps versions."""

QUEUE = "flyte-demo-events"
"""A queue that gets its notifications."""


class _Running:
    """A stand-in and what points clients to it."""

    def __init__(self, server: LocalS3) -> None:
        self._server = server
        self.url: str = server.url

    def environment(self) -> dict[str, str]:
        """Return what the agent and AWS's own clients look at."""
        return self._server.environment()

    def stop(self) -> None:
        """End the server."""
        self._server.stop()


class S3Sandbox:
    """S3 on this machine."""

    title = "S3"
    about = "moto keeps the objects"
    default_port = 9060

    def start(self, port: int) -> _Running:
        """
        Start it; 0 for any free port.

        Raises:
            OSError: The port is taken.
        """
        server = LocalS3(port).start()
        server.make_bucket(BUCKET, versioned=True)
        server.make_queue(QUEUE, BUCKET)
        return _Running(server)
