"""
The workspace as ``flyte-agent sandbox`` and ``flyte-agent demo`` start it.

The class has the form that ``flyte_agent_server.sandbox`` describes.
"""

from __future__ import annotations

from flyte_agent_databricks.local import LocalDatabricks

from .notebooks import NOTEBOOKS


class _Running:
    """A workspace and what points clients to it."""

    def __init__(self, server: LocalDatabricks) -> None:
        self._server = server
        self.url: str = server.url

    def environment(self) -> dict[str, str]:
        """Return what the agent and Databricks' own clients look at."""
        return {
            "DATABRICKS_HOST": self.url,
            "DATABRICKS_TOKEN": self._server.token,
            "DATABRICKS_WAREHOUSE_ID": self._server.warehouse_id,
            "DATABRICKS_CLUSTER_ID": self._server.cluster_id,
        }

    def stop(self) -> None:
        """End the server and what it runs."""
        self._server.stop()


class DatabricksSandbox:
    """A Databricks workspace on this machine."""

    title = "Databricks"
    about = "Python runs the tasks, DuckDB the SQL"
    default_port = 9070

    def start(self, port: int) -> _Running:
        """
        Start it; 0 for any free port.

        Raises:
            OSError: The port is taken.
        """
        # Tasks wait a little, or there would be nothing to see of their phases.
        server = LocalDatabricks(port=port, setup_s=0.2)
        for path, source in NOTEBOOKS.items():
            server.put_notebook(path, source)
        try:
            return _Running(server.start())
        except OSError:
            server.stop()
            raise
