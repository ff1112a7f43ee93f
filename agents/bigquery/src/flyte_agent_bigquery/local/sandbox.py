"""
The stand-in as ``flyte-agent sandbox`` and ``flyte-agent demo`` start it.

The class has the form that ``flyte_agent_server.sandbox`` describes.
"""

from __future__ import annotations

from flyte_agent_bigquery.local import LocalBigQuery

PROJECT = "flyte-demo"
"""The project of clients that do not name one; the stand-in knows every project."""


class _Running:
    """A stand-in and what points clients to it."""

    def __init__(self, server: LocalBigQuery) -> None:
        self._server = server
        self.url: str = server.url

    def environment(self) -> dict[str, str]:
        """Return what the agent and Google's own clients look at."""
        return {"BIGQUERY_EMULATOR_HOST": self.url, "GOOGLE_CLOUD_PROJECT": PROJECT}

    def stop(self) -> None:
        """End the server and what it runs."""
        self._server.stop()


class BigQuerySandbox:
    """BigQuery on this machine."""

    title = "BigQuery"
    about = "DuckDB runs the SQL"
    default_port = 9050

    def start(self, port: int) -> _Running:
        """
        Start it; 0 for any free port.

        Raises:
            OSError: The port is taken.
        """
        # Jobs wait and run a little, or there would be nothing to see of their phases.
        server = LocalBigQuery(port=port, project=PROJECT, pending_s=0.25, running_s=0.25)
        try:
            return _Running(server.start())
        except OSError:
            server.on_stop()
            server.stop()
            raise
