"""``python -m flyte_agent_bigquery.local``: run the stand-in until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading

from .server import LocalBigQuery


def main(arguments: list[str] | None = None) -> None:
    """Serve on the wanted port and say what to export."""
    parser = argparse.ArgumentParser(
        prog="python -m flyte_agent_bigquery.local", description=__doc__
    )
    parser.add_argument(
        "--port", type=int, default=9050, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--data-dir", help="folder that keeps the tables between runs")
    parser.add_argument("--gcs-dir", help="folder that stands for gs://")
    parser.add_argument(
        "--project", default="local", help="project of seeded tables (default: %(default)s)"
    )
    parser.add_argument(
        "--location", default="US", help="location of data and jobs (default: %(default)s)"
    )
    parser.add_argument(
        "--csv", action="append", default=[], metavar="DATASET.TABLE=FILE", help="seed a table"
    )
    options = parser.parse_args(arguments)
    server = LocalBigQuery(
        options.data_dir,
        gcs_dir=options.gcs_dir,
        project=options.project,
        location=options.location,
        port=options.port,
    )
    for entry in options.csv:
        name, _, path = entry.partition("=")
        server.load_csv(name, path)
    finished = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: finished.set())
    with server:
        print(f"export BIGQUERY_EMULATOR_HOST={server.url}", flush=True)  # noqa: T201 - what the caller waits for
        finished.wait()


if __name__ == "__main__":
    main()
