"""A stand-in and the real SDK's client for it."""

from __future__ import annotations

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud import bigquery

from flyte_agent_bigquery.local import LocalBigQuery

PROJECT = "local"
# What fails must fail at once.
NO_RETRY = {"retry": None, "job_retry": None}


def client_of(server: LocalBigQuery, **settings: object) -> bigquery.Client:
    """The SDK's client, pointed at a stand-in."""
    return bigquery.Client(
        PROJECT, AnonymousCredentials(), client_options={"api_endpoint": server.url}, **settings
    )


@pytest.fixture(scope="session")
def connect():
    """Makes clients of a stand-in."""
    return client_of


@pytest.fixture
def server():
    with LocalBigQuery() as running:
        yield running
        assert not running.errors, "a route broke"
        assert not running.scheduler.broken, "a job broke"


@pytest.fixture
def client(server):
    with client_of(server) as made:
        yield made


@pytest.fixture
def finished(server):
    """Wait for a job without the SDK's polling, which begins with a whole second."""

    def wait(job):
        assert server.job(job.job_id).done.wait(30)
        return job.result(retry=None)

    return wait


@pytest.fixture(scope="session")
def shared_server():
    """For tests that change nothing."""
    with LocalBigQuery() as running:
        yield running
        assert not running.errors, "a route broke"
        assert not running.scheduler.broken, "a job broke"


@pytest.fixture(scope="session")
def ask(shared_server):
    """Run a query and give its rows as tuples."""
    with client_of(shared_server) as made:
        yield lambda sql, **settings: [
            tuple(row.values()) for row in made.query_and_wait(sql, **{**NO_RETRY, **settings})
        ]
