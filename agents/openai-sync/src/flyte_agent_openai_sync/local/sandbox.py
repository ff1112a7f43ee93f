"""
The stand-in as ``flyte-agent sandbox`` and ``flyte-agent demo`` start it.

The class has the form that ``flyte_agent_server.sandbox`` describes.
"""

from __future__ import annotations

from flyte_agent_openai_sync.local import LocalOpenAI


class _Running:
    """A stand-in and what points clients to it."""

    def __init__(self, server: LocalOpenAI) -> None:
        self._server = server
        self.url: str = server.url

    def environment(self) -> dict[str, str]:
        """Return what the agent and OpenAI's own clients look at; files may come from this machine."""
        return {
            "OPENAI_BASE_URL": f"{self.url}/v1",
            "OPENAI_API_KEY": "local-stand-in",
            "FLYTE_AGENT_OPENAI_FILES": "/,file://,s3://,gs://,memory://",
        }

    def stop(self) -> None:
        """End the server."""
        self._server.stop()


class OpenAISandbox:
    """OpenAI on this machine."""

    title = "OpenAI"
    about = "answers from the text it is given; LexRank picks the sentences"
    default_port = 9060

    def start(self, port: int) -> _Running:
        """
        Start it; 0 for any free port.

        Raises:
            OSError: The port is taken.
        """
        return _Running(LocalOpenAI(port=port).start())
