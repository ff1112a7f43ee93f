"""What a run of the benchmark has to work with: environments, sizes, a folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

SOURCES = Path(__file__).parent


@dataclasses.dataclass(frozen=True)
class Sizes:
    """
    How much of everything.

    Attributes:
        seconds: How long one load lasts, where time ends it.
        rounds: How often what is compared is measured in turns; the median counts.
        vendor_ms: What the vendor takes to answer.
        in_flight: Polls at once.
        many_in_flight: Polls at once of a big platform.
        jobs: Different jobs that are polled.
        many_jobs: Running jobs of a big platform.
        stuck: Calls of another agent that do not come back.
        stuck_s: For how long.
        starts: How often each service is started.
        imports: How often each import is made: they are short, and vary more.
        fresh_s: For how long our service uses an answer, where that is waited for.
        polls: Polls while memory is watched.
        quiet_s: A process that does nothing for so long has done what it starts with.
        callers: Propeller's workers during a rolling restart.
        accounts: Kinds of credentials that polls are measured with; see ``accounts.py``.
        fuzz: Inputs of the fuzz.
        sensors: S3 sensors while memory is watched.
        calls_in_flight: Calls of OpenAI at once.
        calls: Calls of OpenAI while descriptors are watched.
        calls_ms: What OpenAI takes to answer.
        limited: Tasks that ask OpenAI at once where requests are limited.
        limited_per_min: To so many a minute.
    """

    seconds: float = 10.0
    rounds: int = 3
    vendor_ms: int = 50
    in_flight: int = 100
    many_in_flight: int = 1_000
    jobs: int = 1_000
    many_jobs: int = 10_000
    stuck: int = 100
    stuck_s: float = 10.0
    starts: int = 5
    imports: int = 15
    fresh_s: float = 5.0
    polls: int = 100_000
    quiet_s: float = 2.0
    callers: int = 40
    fuzz: int = 100_000
    sensors: int = 2_000
    calls_in_flight: int = 500
    calls: int = 100_000
    calls_ms: int = 200
    limited: int = 1_000
    limited_per_min: int = 500
    accounts: tuple[str, ...] = ("service-account key", "workload identity")


TINY = Sizes(
    seconds=0.3, rounds=1, vendor_ms=5, in_flight=4, many_in_flight=8, jobs=8, many_jobs=20, stuck=2,
    stuck_s=1.0, starts=1, imports=1, fresh_s=0.2, polls=50, quiet_s=0.2, callers=3, fuzz=20,
    sensors=20, calls_in_flight=8, calls=50, calls_ms=5, limited=8, limited_per_min=6_000,
    accounts=("workload identity",),
)  # fmt: skip
"""Enough to see that every part still runs."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """
    One run.

    Attributes:
        ours: Python with everything of this repository: the load, the vendor, servers made here.
        served: Python with the service and all agents, as an image has them.
        author: Python with the agents and no service, as an author has them.
        stock: Python with flytekit's service and its plugins for the same platforms.
        bare: Python with flytekit's service and no plugin.
        spark: Python with flytekit's service and its plugin for Databricks, which brings pyspark.
        folder: For logs and credentials.
    """

    ours: str
    served: str
    author: str
    stock: str
    bare: str
    spark: str
    folder: Path
    sizes: Sizes = dataclasses.field(default_factory=Sizes)

    def log(self, name: str) -> Path:
        """Return where a process writes what it has to say."""
        return self.folder / f"{name}.log"


def script(name: str) -> str:
    """Return the path of a program of this folder."""
    return str(SOURCES / name)


def stock_command(python: str) -> list[str]:
    """Return flytekit's service, ports as fields to fill in."""
    pyflyte = "from flytekit.clis.sdk_in_container.pyflyte import main; main()"
    ports = ["--port", "{port}", "--prometheus_port", "{metrics}"]
    return [python, "-c", pyflyte, "serve", "connector", *ports]


def our_command(python: str, *more: str) -> list[str]:
    """Return our service, ports as fields to fill in."""
    serve = ["-m", "flyte_agent_server", "serve", "--host", "127.0.0.1"]
    return [python, *serve, "--port", "{port}", "--metrics-port", "{metrics}", *more]


def with_ports(command: list[str], port: int, metrics: int) -> list[str]:
    """Return a command with its ports filled in."""
    ports: Mapping[str, str] = {"{port}": str(port), "{metrics}": str(metrics)}
    return [ports.get(part, part) for part in command]
