"""
Our service beside flytekit's stock service with its stock BigQuery plugin, in one run, on one stand-in.

``nox -s bench`` makes the environments and calls this as
``python run.py --ours PYTHON --stock PYTHON --bare PYTHON``. Figures are ratios of one run: machines differ.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import load
import process
import service

LATENCY_MS = 50
IN_FLIGHT = 100
JOBS = 1000
EMAIL = "bench@bench-project.iam.gserviceaccount.com"
STOCK_TYPE, OUR_TYPE = "bigquery_query_job_task", "bigquery_job"
SECRET = "bench"  # noqa: S105  # the name of one


@dataclasses.dataclass(frozen=True)
class Service:
    """One service under test: how to start it, and what its polls look like."""

    title: str
    python: str
    arguments: tuple[str, ...]
    task_type: str
    meta: Mapping[str, object] = dataclasses.field(default_factory=dict)

    def command(self, port: int) -> list[str]:
        """Return the command that serves on ``port``."""
        return [
            self.python,
            *(part.format(port=port, metrics=process.free_port()) for part in self.arguments),
        ]

    def polls(self, jobs: int) -> list[Any]:
        """Return polls of ``jobs`` different jobs."""
        return load.requests(jobs, self.task_type, **self.meta)


@dataclasses.dataclass(frozen=True)
class Figures:
    """What one service did with one kind of credential."""

    polls_per_s: float
    p50_s: float
    p99_s: float
    cpu_ms: float
    requests: float
    connections: float
    memory_mib: float
    failed: int


def services(ours: str, stock: str) -> list[Service]:
    """Return both services; ours once with a call for each poll, and once as it is delivered."""
    pyflyte = (
        "-c",
        "from flytekit.clis.sdk_in_container.pyflyte import main; main()",
        "serve",
        "connector",
    )
    flyte_agent = ("-m", "flyte_agent_server", "serve", "--host", "127.0.0.1")
    ports = ("--port", "{port}", "--metrics-port", "{metrics}")
    meta = {"v": 1, "credentials": SECRET}
    return [
        Service(
            "flytekit stock",
            stock,
            (*pyflyte, "--port", "{port}", "--prometheus_port", "{metrics}"),
            STOCK_TYPE,
        ),
        Service(
            "flyte-agent, answers used once",
            ours,
            (*flyte_agent, *ports, "--poll-fresh", "0"),
            OUR_TYPE,
            meta,
        ),
        Service("flyte-agent", ours, (*flyte_agent, *ports), OUR_TYPE, meta),
    ]


def credentials(folder: Path, url: str) -> dict[str, dict[str, str]]:
    """Return the environment of each kind of credential: stock finds it as a file, ours as a secret."""
    kinds = {
        "service-account key": _service_account(url),
        "workload identity": _federated(folder, url),
    }
    return {kind: _environment(folder, url, kind, info) for kind, info in kinds.items()}


def _environment(folder: Path, url: str, kind: str, info: Mapping[str, Any]) -> dict[str, str]:
    path = folder / f"{kind.replace(' ', '-')}.json"
    path.write_text(json.dumps(info))
    return {
        "BIGQUERY_EMULATOR_HOST": url,
        "GOOGLE_APPLICATION_CREDENTIALS": str(path),
        "GOOGLE_CLOUD_PROJECT": "bench-project",
        f"_FSEC_{SECRET.upper()}": json.dumps(info),
        "FLYTE_AGENT_BIGQUERY_CALLS_PER_S": "100000",
        "CLOUDSDK_CONFIG": str(folder),
        "NO_PROXY": "*",
    }


def _federated(folder: Path, url: str) -> dict[str, Any]:
    subject = folder / "subject-token"
    subject.write_text("bench-subject")
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/sts",
        "service_account_impersonation_url": f"{url}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken",
        "credential_source": {"file": str(subject)},
    }


def _service_account(url: str) -> dict[str, Any]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    private = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "bench-project",
        "private_key_id": "bench",
        "private_key": private.decode(),
        "client_email": EMAIL,
        "token_uri": f"{url}/token",
    }


def stats(url: str) -> dict[str, float]:
    """Return what the vendor was asked since the last look."""
    with urllib.request.urlopen(f"{url}/bench/stats") as reply:
        found: dict[str, float] = json.load(reply)
    return found


def measure(
    service: Service, env: Mapping[str, str], url: str, folder: Path, seconds: float
) -> Figures:
    """Start a service, warm it up, and poll it."""
    port = process.free_port()
    log = folder / f"{service.title.replace(' ', '-')}.log"
    with process.running(service.command(port), env, log) as started:
        process.wait_until_serving(port, started)
        polls = service.polls(JOBS)
        asyncio.run(load.poll(port, polls, in_flight=IN_FLIGHT, seconds=3, most=2 * JOBS))
        stats(url)
        before_s = process.cpu_s(started.pid)
        done = asyncio.run(
            load.poll(port, polls, in_flight=IN_FLIGHT, seconds=seconds, most=1_000_000)
        )
        used_s, asked = process.cpu_s(started.pid) - before_s, stats(url)
        answered = max(1, len(done.latencies_s))
        return Figures(
            done.per_s, done.percentile_s(0.5), done.percentile_s(0.99), used_s / answered * 1000,
            asked["requests"] / answered, (asked["connections"] - 1) / answered, process.memory_mib(started.pid),
            done.failed + done.wrong,
        )  # fmt: skip


def show(kind: str, rows: list[tuple[str, Figures]]) -> None:
    """Print one table."""
    print(
        f"\n### GetTask of BigQuery, {kind}, vendor latency {LATENCY_MS} ms, {IN_FLIGHT} in flight\n"
    )
    print(
        "| service | polls/s | p50 s | p99 s | CPU ms/poll | requests/poll | connections/poll | MiB | failed |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
    for title, f in rows:
        print(
            f"| {title} | {f.polls_per_s:.0f} | {f.p50_s:.2f} | {f.p99_s:.2f} | {f.cpu_ms:.2f} | {f.requests:.2f} | "
            f"{f.connections:.3f} | {f.memory_mib:.0f} | {f.failed} |"
        )
    stock = rows[0][1]
    for title, ours in rows[1:]:
        print(
            f"\n{title} against stock: {ours.polls_per_s / stock.polls_per_s:.1f} x polls/s, "
            f"{stock.cpu_ms / ours.cpu_ms:.1f} x less CPU, {stock.requests / ours.requests:.1f} x fewer requests"
        )


def polling(ours: str, stock: str, seconds: float) -> None:
    """Compare polls of both services with both kinds of credential."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vendor = [ours, str(Path(__file__).with_name("vendor.py")), str(LATENCY_MS), str(JOBS)]
        with process.running(vendor, {}, folder / "vendor.log") as started:
            assert started.stdout is not None
            url = json.loads(started.stdout.readline())["url"]
            for kind, env in credentials(folder, url).items():
                show(
                    kind,
                    [
                        (s.title, measure(s, env, url, folder, seconds))
                        for s in services(ours, stock)
                    ],
                )


def import_seconds(python: str, rounds: int) -> list[float]:
    """Return how long ``import flytekit`` takes in fresh processes."""
    taken = []
    for _ in range(rounds):
        start_s = time.perf_counter()
        subprocess.run([python, "-c", "import flytekit"], check=True)
        taken.append(time.perf_counter() - start_s)
    return taken


def importing(bare: str, others: dict[str, str], rounds: int) -> None:
    """Compare the cost of ``import flytekit`` with plugins installed to that without, interleaved."""
    print("\n### import flytekit\n\n| environment | median s | against bare |\n|---|--:|--:|")
    pythons = {"flytekit alone": bare, **others}
    taken: dict[str, list[float]] = {title: [] for title in pythons}
    for _ in range(rounds):
        for title, python in pythons.items():
            taken[title] += import_seconds(python, 1)
    base_s = statistics.median(taken["flytekit alone"])
    for title, times in taken.items():
        print(
            f"| {title} | {statistics.median(times):.3f} | {(statistics.median(times) / base_s - 1) * 100:+.1f} % |"
        )


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ours", "author", "stock", "bare"):
        parser.add_argument(f"--{name}", required=True, help=f"Python of the environment {name!r}")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    importing(
        asked.bare,
        {"with flyte-agent-bigquery": asked.author, "with the stock plugin": asked.stock},
        asked.rounds,
    )
    service.show(asked.ours)
    polling(asked.ours, asked.stock, asked.seconds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
