"""``python -m flyte_agent_databricks.local``: run the workspace until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading

from .server import LocalDatabricks


def main(arguments: list[str] | None = None) -> None:
    """Serve on the wanted port and say what to export."""
    parser = argparse.ArgumentParser(
        prog="python -m flyte_agent_databricks.local", description=__doc__
    )
    parser.add_argument(
        "--port", type=int, default=9070, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--data-dir", help="folder with the folders Workspace, Volumes and dbfs, kept between runs"
    )
    parser.add_argument(
        "--git", action="append", default=[], metavar="URL=FOLDER", help="a folder for a repository"
    )
    parser.add_argument(
        "--setup-s", type=float, default=0.0, help="how long a task with compute is PENDING"
    )
    options = parser.parse_args(arguments)
    git = dict(entry.rsplit("=", 1) for entry in options.git)
    server = LocalDatabricks(options.data_dir, git=git, port=options.port, setup_s=options.setup_s)
    finished = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: finished.set())
    with server:
        for name, value in (("DATABRICKS_HOST", server.url), ("DATABRICKS_TOKEN", server.token)):
            print(f"export {name}={value}", flush=True)  # noqa: T201  # what the caller waits for
        finished.wait()


if __name__ == "__main__":
    main()
