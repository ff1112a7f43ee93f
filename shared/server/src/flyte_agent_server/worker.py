"""One of several processes on a port; started by :mod:`flyte_agent_server.processes` only."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from . import loop
from .commands.serve import assembled, serve_here
from .errors import ServiceError
from .settings import Settings

if TYPE_CHECKING:
    from .service import AgentService

_log = logging.getLogger("flyte_agent.server")


def main() -> int:
    """Serve as standard input says; tell the descriptor of the first argument when it answers."""
    settings = Settings(**json.loads(sys.stdin.buffer.readline()))
    descriptor = int(sys.argv[1])

    def ready(service: AgentService) -> None:
        # A supervisor that is gone by now is noticed below.
        with contextlib.suppress(BrokenPipeError), os.fdopen(descriptor, "w") as supervisor:
            said = {"port": service.port, "metrics_port": service.metrics_port}
            supervisor.write(json.dumps(said) + "\n")
        threading.Thread(target=_end_with_supervisor, daemon=True).start()

    try:
        loop.run(serve_here(assembled(settings), settings, ready))
    except ServiceError as error:
        _log.error("%s", error)
        return 1
    return 0


def _end_with_supervisor() -> None:
    """Drain when standard input ends: nobody would ever end this process otherwise."""
    # Not through sys.stdin: at the exit Python would wait for the lock of its buffer.
    while os.read(0, 1024):
        continue
    _log.warning("the supervisor is gone: stopping too")
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
