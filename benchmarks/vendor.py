"""
A vendor that answers and does nothing: BigQuery's jobs and Google's token endpoints, at a fixed latency.

Run as ``python vendor.py LATENCY_MS JOBS``; prints its address, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import Any

from flyte_agent_testing.server import FakeServer, Reply, Request, route

PAGE = 1000
INSERT_MS = 300
"""What it takes to start a job: about as long as at BigQuery, so that creates are in flight when a service ends."""

TOKEN = {"access_token": "bench-token", "expires_in": 3600, "token_type": "Bearer"}


def job(project: str, job_id: str) -> dict[str, Any]:
    """Return a running job of ordinary size."""
    stages = [{"name": f"S{n:02d}", "status": "RUNNING", "recordsRead": "1000"} for n in range(8)]
    return {
        "kind": "bigquery#job",
        "id": f"{project}:US.{job_id}",
        "jobReference": {"projectId": project, "jobId": job_id, "location": "US"},
        "configuration": {
            "jobType": "QUERY",
            "query": {"query": "SELECT 1", "priority": "INTERACTIVE"},
        },
        "status": {"state": "RUNNING"},
        "statistics": {
            "creationTime": "1700000000000",
            "startTime": "1700000001000",
            "query": {"queryPlan": stages, "statementType": "SELECT"},
        },
    }


def problem(status: int, reason: str, message: str) -> Reply:
    """Return an error in Google's form."""
    error = {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}
    return Reply(status, {"error": error})


class Vendor(FakeServer):
    """What both services call."""

    distance_s = 0.0
    running = 0

    def __init__(self) -> None:
        super().__init__()
        self.started: dict[str, dict[str, Any]] = {}
        self.attempts: Counter[str] = Counter()
        self.cancelled: set[str] = set()

    @route("GET", "/bigquery/v2/projects/{project}/jobs/{job_id}")
    async def get_job(self, request: Request, project: str, job_id: str) -> Reply:
        """https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get."""
        await asyncio.sleep(self.distance_s)
        return Reply(200, self.started.get(job_id) or job(project, job_id))

    @route("POST", "/bigquery/v2/projects/{project}/jobs")
    async def insert_job(self, request: Request, project: str) -> Reply:
        """https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/insert."""
        sent = json.loads(request.body)
        job_id = sent["jobReference"]["jobId"]
        if job_id in self.started:
            await asyncio.sleep(self.distance_s)
            return problem(409, "duplicate", f"Already Exists: Job {project}:US.{job_id}")
        # The job is there at once, whether or not anybody waits for the answer.
        made = {**job(project, job_id), "configuration": sent["configuration"]}
        self.started[job_id] = made
        self.attempts[sent["configuration"].get("query", {}).get("query", "")] += 1
        await asyncio.sleep(INSERT_MS / 1000)
        return Reply(200, made)

    @route("POST", "/bigquery/v2/projects/{project}/jobs/{job_id}/cancel")
    async def cancel_job(self, request: Request, project: str, job_id: str) -> Reply:
        """https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/cancel."""
        self.cancelled.add(job_id)
        await asyncio.sleep(self.distance_s)
        stopped = {**self.started.get(job_id, job(project, job_id)), "status": {"state": "DONE"}}
        return Reply(200, {"kind": "bigquery#jobCancelResponse", "job": stopped})

    @route("GET", "/bigquery/v2/projects/{project}/jobs")
    async def list_jobs(self, request: Request, project: str) -> Reply:
        """https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/list."""
        await asyncio.sleep(self.distance_s)
        if request.query.get("stateFilter") == "done":
            return Reply(200, {"jobs": []})
        first = int(request.query.get("pageToken", 0))
        last = min(first + PAGE, self.running)
        more = {"nextPageToken": str(last)} if last < self.running else {}
        return Reply(200, {"jobs": [job(project, f"job_{n}") for n in range(first, last)], **more})

    @route("POST", "/token")
    async def token(self, request: Request) -> Reply:
        """https://developers.google.com/identity/protocols/oauth2/service-account#httprest."""
        await asyncio.sleep(self.distance_s)
        return Reply(200, TOKEN)

    @route("POST", "/sts")
    async def exchange(self, request: Request) -> Reply:
        """https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token."""
        await asyncio.sleep(self.distance_s)
        kind = "urn:ietf:params:oauth:token-type:access_token"
        return Reply(200, {**TOKEN, "issued_token_type": kind})

    @route("POST", "/v1/projects/-/serviceAccounts/{account}")
    async def impersonate(self, request: Request, account: str) -> Reply:
        """https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken."""
        await asyncio.sleep(self.distance_s)
        return Reply(200, {"accessToken": "bench-token", "expireTime": "2999-01-01T00:00:00Z"})

    @route("GET", "/bench/stats", inline=True)
    def stats(self, request: Request) -> Reply:
        """What was asked since the last look, and the jobs started: by statement, and those cancelled."""
        counts = {name: n for name, n in self.counts().items() if name != "stats"}
        found = {
            "requests": sum(counts.values()),
            "by_route": counts,
            "connections": self.connections - 1,  # this one
            "started": dict(self.attempts),
            "cancelled": sorted(self.cancelled),
        }
        self.forget()
        return Reply(200, found)


def main() -> None:
    """Serve until standard input ends."""
    with Vendor() as vendor:
        vendor.distance_s, vendor.running = float(sys.argv[1]) / 1000, int(sys.argv[2])
        print(json.dumps({"url": vendor.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
