"""``python -m flyte_agent_s3_sensor.local``: run the stand-in until it is interrupted."""

from __future__ import annotations

import argparse
import signal
import threading

from .server import LocalS3


def main(arguments: list[str] | None = None) -> None:
    """Serve on the wanted port and say what to export."""
    parser = argparse.ArgumentParser(
        prog="python -m flyte_agent_s3_sensor.local", description=__doc__
    )
    parser.add_argument(
        "--port", type=int, default=9060, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument(
        "--bucket", action="append", default=[], help="make a bucket that keeps versions"
    )
    options = parser.parse_args(arguments)
    finished = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: finished.set())
    with LocalS3(options.port) as server:
        for bucket in options.bucket:
            server.make_bucket(bucket, versioned=True)
        for name, value in server.environment().items():
            print(f"export {name}={value}", flush=True)  # noqa: T201 - what the caller waits for
        finished.wait()


if __name__ == "__main__":
    main()
