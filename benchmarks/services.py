"""Both services with their BigQuery agents, and what their polls look like."""

from __future__ import annotations

import contextlib
import dataclasses
import subprocess
from collections.abc import Iterator, Mapping

import load
from accounts import SECRET
from process import free_port, running, wait_until_serving
from setting import Setting, our_command, stock_command, with_ports


@dataclasses.dataclass(frozen=True)
class Service:
    """
    One service under test.

    Attributes:
        name: What it is called in a table.
        command: How it is started; ports are fields to fill in.
        task_type: Of the jobs that are polled.
        meta: What their metadata has beside the fields of the stock plugin.
    """

    name: str
    command: list[str]
    task_type: str
    meta: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def polls(self, jobs: int) -> list[bytes]:
        """Return polls of ``jobs`` different jobs."""
        return load.requests(jobs, self.task_type, **self.meta)


@dataclasses.dataclass(frozen=True)
class Started:
    """A service that answers."""

    port: int
    metrics_port: int
    process: subprocess.Popen[str]


def stock(setting: Setting) -> Service:
    """Return flytekit's service with its plugin."""
    return Service("stock", stock_command(setting.stock), "bigquery_query_job_task")


def ours(setting: Setting, *more: str) -> Service:
    """Return our service with every agent."""
    meta = {"v": 1, "credentials": SECRET}
    return Service("ours", our_command(setting.served, *more), "bigquery_job", meta)


@contextlib.contextmanager
def started(
    service: Service, env: Mapping[str, str], setting: Setting, port: int = 0
) -> Iterator[Started]:
    """Run a service as long as the body does."""
    port, metrics = port or free_port(), free_port()
    command = with_ports(service.command, port, metrics)
    log = setting.log(f"{service.name}-{port}")
    with running(command, env, log) as process:
        try:
            wait_until_serving(port, process)
        except RuntimeError as error:
            raise RuntimeError(f"{service.name}: {error}:\n{log.read_text()[-2000:]}") from error
        yield Started(port, metrics, process)
