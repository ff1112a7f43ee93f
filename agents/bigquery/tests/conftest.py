"""
What the agent's tests share.

``vendor`` speaks BigQuery's jobs API and does whatever a test says, also what no query on a laptop
brings about: every error reason, warnings of jobs that succeeded, plans of forty stages.
``flyte_agent_bigquery.local`` really runs queries.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flyte_agent_bigquery.agent import BigQueryAgent
from flyte_agent_bigquery.job import JobRef
from flyte_agent_core import Attempt, rpc
from flyte_agent_testing.clock import FakeClock
from flyte_agent_testing.server import FakeServer, Fault, Reply, ReplyError, Request, route
from flyte_agent_testing.templates import (
    attempt_metadata,
    encode_inputs,
    output_prefix,
    task_template,
)

JOBS = "/bigquery/v2/projects/{project}/jobs"
DATASET = "/bigquery/v2/projects/{project}/datasets/{dataset}"


def envelope(status: int, reason: str, message: str) -> dict[str, Any]:
    """Google's form of an error."""
    detail = {"domain": "global", "reason": reason, "message": message}
    return {"error": {"code": status, "message": message, "errors": [detail]}}


class ScriptedBigQuery(FakeServer):
    """
    The jobs API, with jobs that stay as the test wants them.

    Attributes:
        jobs: Job resources by id.
        tables: Table resources by ``dataset.table``, of any project; partitions have a ``$``.
        routines: The same of routines.
        missing_datasets: Datasets that are not there.
        new_job: Laid over every new job.
        page: Answer of ``jobs.getQueryResults``.
        estimate_bytes: What a dry run says.
        location: Where jobs without a location run.
        knows_after: Lookups of a job that fail before it is known.
        tokens: Access tokens handed out so far.
        stops_after: Lookups after which a cancelled job is DONE.
    """

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, dict[str, Any]] = {}
        self.tables: dict[str, dict[str, Any]] = {}
        self.routines: dict[str, dict[str, Any]] = {}
        self.missing_datasets: set[str] = set()
        self.new_job: dict[str, Any] = {}
        self.page: dict[str, Any] = {}
        self.estimate_bytes = 0
        self.location = "US"
        self.knows_after = 0
        self.tokens = 0
        self.token_life_s = 3600
        self.stops_after = 0
        self.page_size = 1000

    def fault_reply(self, fault: Fault) -> Reply:
        """Answer a scripted fault as Google would."""
        return Reply(
            fault.status or 500, envelope(fault.status or 500, fault.reason, fault.message)
        )

    @route("POST", JOBS, inline=True)
    def insert(self, request: Request, project: str) -> Reply:
        """See https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert for the form."""
        body = request.json
        ref, configuration = body["jobReference"], body["configuration"]
        if configuration.get("dryRun"):
            limit = configuration["query"].get("maximumBytesBilled")
            if limit is not None and self.estimate_bytes > int(limit):
                message = f"Query exceeded limit for bytes billed: {limit}."
                raise _refusal(500, "bytesBilledLimitExceeded", message)
            figures = {"totalBytesProcessed": str(self.estimate_bytes)}
            return Reply(200, {"statistics": {"query": figures}, "status": {"state": "DONE"}})
        place = ref.get("location") or self.location
        if ref["jobId"] in self.jobs:
            raise _refusal(
                409, "duplicate", f"Already Exists: Job {project}:{place}.{ref['jobId']}"
            )
        job = {
            "jobReference": {"projectId": project, "jobId": ref["jobId"], "location": place},
            "configuration": configuration,
            "statistics": {"creationTime": "1700000000000"},
            "status": {"state": "RUNNING"},
        }
        self.jobs[ref["jobId"]] = merged(job, self.new_job)
        return Reply(200, self.jobs[ref["jobId"]])

    @route("GET", JOBS + "/{job_id}", inline=True)
    def get(self, request: Request, project: str, job_id: str) -> Reply:
        """See https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get for the form."""
        if self.knows_after > 0:
            self.knows_after -= 1
            raise _refusal(404, "notFound", f"Not found: Job {project}:{job_id}")
        job = self._known(request, project, job_id)
        if hasattr(job, "body"):  # not JSON, or not an object
            return Reply(200, job.body)
        if "_stops_after" in job:
            job["_stops_after"] -= 1
            if job["_stops_after"] < 0:
                job["status"] = CANCELLED
        return Reply(200, job)

    @route("POST", JOBS + "/{job_id}/cancel", inline=True)
    def cancel(self, request: Request, project: str, job_id: str) -> Reply:
        """See https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/cancel for the form."""
        job = self._known(request, project, job_id)
        if job["status"]["state"] != "DONE":
            job["_stops_after"] = self.stops_after
        return Reply(200, {"job": job})

    @route("GET", JOBS, inline=True)
    def list(self, request: Request, project: str) -> Reply:
        """See https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/list for the form."""
        parent = request.query.get("parentJobId")
        found = [j for j in self.jobs.values() if j["statistics"].get("parentJobId") == parent]
        start = int(request.query.get("pageToken", 0))
        end = start + self.page_size
        more = {"nextPageToken": str(end)} if end < len(found) else {}
        return Reply(200, {"jobs": found[::-1][start:end], **more})

    @route("GET", "/bigquery/v2/projects/{project}/queries/{job_id}", inline=True)
    def results(self, request: Request, project: str, job_id: str) -> Reply:
        """See https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/getQueryResults for the form."""
        self._known(request, project, job_id)
        return Reply(200, self.page)

    @route("GET", DATASET + "/tables/{name}", inline=True)
    def table(self, request: Request, project: str, dataset: str, name: str) -> Reply:
        """See https://cloud.google.com/bigquery/docs/reference/rest/v2/tables/get for the form."""
        return self._resource("Table", self.tables, project, dataset, name)

    @route("GET", DATASET + "/routines/{name}", inline=True)
    def routine(self, request: Request, project: str, dataset: str, name: str) -> Reply:
        """See https://cloud.google.com/bigquery/docs/reference/rest/v2/routines/get for the form."""
        return self._resource("Routine", self.routines, project, dataset, name)

    def _resource(
        self, kind: str, known: dict[str, dict[str, Any]], project: str, dataset: str, name: str
    ) -> Reply:
        if dataset in self.missing_datasets:
            raise _refusal(404, "notFound", f"Not found: Dataset {project}:{dataset}")
        found = known.get(f"{dataset}.{name}")
        if found is None:
            raise _refusal(404, "notFound", f"Not found: {kind} {project}:{dataset}.{name}")
        word = kind.lower()
        ref = {"projectId": project, "datasetId": dataset, f"{word}Id": name}
        return Reply(200, {f"{word}Reference": ref, **found})

    @route("POST", "/token", inline=True)
    def token(self, request: Request) -> Reply:
        """See https://developers.google.com/identity/protocols/oauth2/service-account#httprest for the form."""
        self.tokens += 1
        return Reply(200, {"access_token": f"token-{self.tokens}", "expires_in": self.token_life_s})

    @route("POST", "/v1/projects/-/serviceAccounts/{account}", inline=True)
    def impersonate(self, request: Request, account: str) -> Reply:
        """https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken."""
        return Reply(200, {"accessToken": f"as-{account}", "expireTime": "2999-01-01T00:00:00Z"})

    def _known(self, request: Request, project: str, job_id: str) -> dict[str, Any]:
        job = self.jobs.get(job_id)
        asked = request.query.get("location")
        at = job["jobReference"]["location"] if job else ""
        if job is None or (asked or "US") != at:
            raise _refusal(404, "notFound", f"Not found: Job {project}:{asked}.{job_id}")
        return job


CANCELLED = {
    "state": "DONE",
    "errorResult": {
        "reason": "stopped",
        "message": "Job execution was cancelled: User requested cancellation",
    },
}


def _refusal(status: int, reason: str, message: str) -> ReplyError:
    return ReplyError(Reply(status, envelope(status, reason, message)))


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``over`` laid over it, at every depth."""
    made = copy.deepcopy(base)
    for name, value in over.items():
        inner = made.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        made[name] = merged(inner, value) if both else value
    return made


class Bench:
    """The agent beside its vendor, called as Flyte calls it."""

    def __init__(self, vendor: Any, clock: FakeClock) -> None:
        self.vendor, self.clock = vendor, clock
        self.agent = BigQueryAgent(clock=clock)

    def run(self, work: Callable[[], Any], deadline_s: float = 30.0) -> Any:
        """Return what a coroutine function returns, within an RPC of this deadline."""

        async def call() -> Any:
            with rpc.serving(deadline_s):
                return await work()

        return asyncio.run(call())

    def create(self, custom: dict[str, Any] | None = None, **said: Any) -> Any:
        """Start an attempt; ``said`` are the arguments of :meth:`call_of`."""
        return self.run(lambda: self.agent.create(**self.call_of(custom, **said)))

    def call_of(
        self,
        custom: dict[str, Any] | None = None,
        *,
        sql: str | None = "SELECT 1",
        values: dict[str, Any] | None = None,
        prefix: str | None = None,
        task_type: str = "bigquery_job",
        **said: Any,
    ) -> dict[str, Any]:
        """Return the keywords flytekit calls ``create`` with."""
        task = task_template(
            task_type, sql=sql, custom={"project": "p-1", **(custom or {})}, **said
        )
        return {
            "task_template": task,
            "output_prefix": output_prefix() if prefix is None else prefix,
            "inputs": encode_inputs(task, values or {}),
            "task_execution_metadata": attempt_metadata(task),
        }

    def attempt(self, custom: dict[str, Any] | None = None, **said: Any) -> Attempt:
        """Return the attempt of a create; ``said`` as for :meth:`call_of`."""
        return Attempt.of(**self.call_of(custom, **said))

    def get(self, meta: Any) -> Any:
        """Poll, after the metadata's way through Flyte."""
        kept = self.agent.metadata_type.decode(meta.encode())
        return self.run(lambda: self.agent.get(resource_meta=kept), 9.0)

    def settle(self, meta: Any) -> Any:
        """Poll until the job is over."""
        while not (resource := self.get(meta)).phase.is_terminal:
            pass
        return resource

    def get_failed(self, failed: Any) -> Any:
        """Poll a create that the user must repair."""
        kept = self.agent.metadata_type.decode(failed.encode())
        return self.run(lambda: self.agent.get(resource_meta=kept), 9.0)

    def delete(self, meta: Any) -> None:
        """Stop a job."""
        self.run(lambda: self.agent.delete(resource_meta=meta), 9.0)

    def finish(self, meta: Any, patch: dict[str, Any] | None = None) -> Any:
        """Have the job be done, with ``patch`` laid over it, and poll."""
        job = self.vendor.jobs[meta.job_id]
        done = {"status": {"state": "DONE"}, "statistics": {"query": {"statementType": "SELECT"}}}
        self.vendor.jobs[meta.job_id] = merged(merged(job, done), patch or {})
        return self.get(meta)

    def fail(self, meta: Any, reason: str, message: str = "it went wrong") -> Any:
        """Have the job fail, and poll."""
        return self.finish(
            meta, {"status": {"errorResult": {"reason": reason, "message": message}}}
        )

    def body(self, route: str = "insert") -> Any:
        """Return the JSON of the last request to a route."""
        return [r.json for r in self.vendor.requests if r.route == route][-1]


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedBigQuery]:
    """BigQuery, at the address the service is configured with."""
    with ScriptedBigQuery() as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        yield server
        assert not server.errors


@pytest.fixture
def held_vendor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The same, with answers that can be kept back, for the conformance kit."""
    from flyte_agent_testing.conformance import HoldingServer

    class HeldBigQuery(HoldingServer, ScriptedBigQuery):
        pass

    with HeldBigQuery() as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        yield server


@pytest.fixture
def bench_of() -> Callable[[Any, Any], Bench]:
    """The agent beside any vendor, with any clock."""
    return Bench


@pytest.fixture
def bench(vendor: ScriptedBigQuery) -> Bench:
    """The agent and its vendor."""
    return Bench(vendor, FakeClock())


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The agent beside the stand-in that really runs queries."""
    from flyte_agent_bigquery.local import LocalBigQuery

    with LocalBigQuery() as server:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", server.url)
        yield Bench(server, FakeClock())
        assert not server.errors


@pytest.fixture
def ref() -> JobRef:
    """Some job."""
    return JobRef("p-1", "job-1", "US")


@pytest.fixture(scope="session")
def service_account_key() -> dict[str, str]:
    """A service account's key file, without the address of its token server."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "project_id": "p-of-key",
        "private_key_id": "canary-key-id",
        "private_key": pem.decode(),
        "client_email": "etl@p-of-key.iam.gserviceaccount.com",
        "client_id": "1",
    }


@pytest.fixture
def named_key(
    vendor: ScriptedBigQuery, service_account_key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """The name of a secret that holds the key; tokens come from the stand-in."""
    info = {**service_account_key, "token_uri": f"{vendor.url}/token"}
    monkeypatch.setenv("_FSEC_BQ_KEY", json.dumps(info))
    return "bq-key"
