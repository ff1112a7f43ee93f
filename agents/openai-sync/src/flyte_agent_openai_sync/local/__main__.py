"""``python -m flyte_agent_openai_sync.local``: run the stand-in until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading

from .server import LocalOpenAI


def main(arguments: list[str] | None = None) -> None:
    """Serve on the wanted port and say what to export."""
    parser = argparse.ArgumentParser(
        prog="python -m flyte_agent_openai_sync.local", description=__doc__
    )
    parser.add_argument(
        "--port", type=int, default=9060, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--requests-per-min", type=int, default=0, help="0 for no limit")
    parser.add_argument("--tokens-per-min", type=int, default=0, help="0 for no limit")
    options = parser.parse_args(arguments)
    server = LocalOpenAI(
        port=options.port,
        requests_per_min=options.requests_per_min,
        tokens_per_min=options.tokens_per_min,
    )
    finished = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: finished.set())
    with server:
        said = f"export OPENAI_BASE_URL={server.url}/v1 OPENAI_API_KEY=local"
        print(said, flush=True)  # noqa: T201  # what the caller waits for
        finished.wait()


if __name__ == "__main__":
    main()
