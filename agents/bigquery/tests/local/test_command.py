"""``python -m flyte_agent_bigquery.local``, and how fast it is."""

from __future__ import annotations

import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery


def test_the_command_says_what_to_export_and_ends_when_told(tmp_path, monkeypatch):
    (tmp_path / "f.csv").write_text("a,b\n1,x\n")
    command = [
        sys.executable, "-m", "flyte_agent_bigquery.local", "--port", "0",
        "--csv", f"demo.f={tmp_path / 'f.csv'}", "--data-dir", str(tmp_path / "data"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        url = re.fullmatch(r"export BIGQUERY_EMULATOR_HOST=(http://127\.0\.0\.1:\d+)\n", line)[1]
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", url)
        with bigquery.Client("local", AnonymousCredentials()) as client:
            assert [tuple(row) for row in client.query_and_wait("SELECT * FROM demo.f")] == [
                (1, "x")
            ]
    finally:
        process.send_signal(signal.SIGTERM)
        process.stdout.close()
        assert process.wait(10) == 0


def test_a_large_table_is_seeded_and_queried_quickly(server, client, tmp_path):
    """As many rows as the flights of a year; a generous multiple of what it takes."""
    path = tmp_path / "big.csv"
    line = (
        "2013,1,{},517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-01-01T10:00:00Z\n"
    )
    names = ",".join(f"c{i}" for i in range(19))
    path.write_text(f"{names}\n" + "".join(line.format(i % 28 + 1) for i in range(336_776)))
    started = time.monotonic()
    server.load_csv("demo.big", path)
    loaded = time.monotonic()
    assert loaded - started < 60
    found = list(
        client.query_and_wait("SELECT c2, COUNT(*) AS n, AVG(c5) AS d FROM demo.big GROUP BY c2")
    )
    assert len(found) == 28
    assert time.monotonic() - loaded < 20


def test_a_poll_costs_little(server, client):
    """Thousands of polls a second: a benchmark must not measure the stand-in."""
    import http.client
    from urllib.parse import urlsplit

    server.hold_jobs()
    job = client.query("SELECT 1")
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    started = time.process_time()
    for _ in range(500):
        connection.request("GET", f"/bigquery/v2/projects/local/jobs/{job.job_id}?location=US")
        assert connection.getresponse().read()
    connection.close()
    assert time.process_time() - started < 6.0  # both ends, in seconds of CPU
    assert server.connections <= 3


def test_many_jobs_at_once_all_end(server, connect):
    def run(number: int) -> int:
        with connect(server) as own:
            return next(iter(own.query_and_wait(f"SELECT {number}")))[0]

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(run, range(60))) == list(range(60))
    assert len(server.jobs) == 60
    assert all(job.state == "DONE" for job in server.jobs.all())


@pytest.mark.skipif(not pathlib.Path("/proc/self/fd").exists(), reason="needs /proc")
def test_jobs_leave_no_files_and_no_threads(server, client):
    def used() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    for number in range(20):
        client.query_and_wait(f"SELECT {number}")
    before = used()
    for number in range(40):
        client.query_and_wait(f"SELECT {number} + 100")
    after = used()
    # A pool may still grow to its size; one of each for each job would be forty.
    assert after[0] < before[0] + 20
    assert after[1] < before[1] + 20
