"""
A vendor that answers and does nothing: BigQuery's jobs.get and Google's token endpoint at a fixed latency.

The metadata server answers at once, as one on the same node does. Run as ``python vendor.py LATENCY_MS``;
prints its address, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import sys

from flyte_agent_testing.server import FakeServer, Reply, Request, route

FLAVOR = {"Metadata-Flavor": "Google"}
EMAIL = "bench@bench-project.iam.gserviceaccount.com"


def job(project: str, job_id: str) -> dict[str, object]:
    """Return a running job of ordinary size."""
    stages = [{"name": f"S{n:02d}", "status": "RUNNING", "recordsRead": "1000"} for n in range(8)]
    return {
        "kind": "bigquery#job",
        "id": f"{project}:US.{job_id}",
        "jobReference": {"projectId": project, "jobId": job_id, "location": "US"},
        "configuration": {"jobType": "QUERY", "query": {"query": "SELECT 1", "priority": "INTERACTIVE"}},
        "status": {"state": "RUNNING"},
        "statistics": {
            "creationTime": "1700000000000",
            "startTime": "1700000001000",
            "query": {"queryPlan": stages, "statementType": "SELECT"},
        },
    }


class Vendor(FakeServer):
    """What both services call."""

    distance_s = 0.0

    @route("GET", "/bigquery/v2/projects/{project}/jobs/{job_id}")
    async def get_job(self, request: Request, project: str, job_id: str) -> Reply:
        """https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs/get."""
        await asyncio.sleep(self.distance_s)
        return Reply(200, job(project, job_id))

    @route("POST", "/token")
    async def token(self, request: Request) -> Reply:
        """https://developers.google.com/identity/protocols/oauth2/service-account#httprest."""
        await asyncio.sleep(self.distance_s)
        return Reply(200, {"access_token": "bench-token", "expires_in": 3600, "token_type": "Bearer"})

    @route("GET", "/", inline=True)
    def ping(self, request: Request) -> Reply:
        """How google-auth finds the metadata server."""
        return Reply(200, {}, FLAVOR)

    @route("GET", "/computeMetadata/v1/{path:path}", inline=True)
    def metadata(self, request: Request, path: str) -> Reply:
        """https://cloud.google.com/compute/docs/metadata/querying-metadata."""
        if path.endswith("/token"):
            return Reply(200, {"access_token": "bench-token", "expires_in": 3600, "token_type": "Bearer"}, FLAVOR)
        if path.startswith("project/"):
            return Reply(200, b"bench-project", {**FLAVOR, "content-type": "application/text"})
        if path.startswith("universe/"):
            return Reply(200, b"googleapis.com", {**FLAVOR, "content-type": "application/text"})
        account = {"email": EMAIL, "scopes": ["https://www.googleapis.com/auth/cloud-platform"], "aliases": ["default"]}
        return Reply(200, account, {**FLAVOR, "content-type": "application/json"})

    @route("GET", "/bench/stats", inline=True)
    def stats(self, request: Request) -> Reply:
        """What was asked since the last look."""
        counts = {name: n for name, n in self.counts().items() if name != "stats"}
        found = {"requests": sum(counts.values()), "by_route": counts, "connections": self.connections}
        self.forget()
        return Reply(200, found)


def main() -> None:
    """Serve until standard input ends."""
    with Vendor() as vendor:
        vendor.distance_s = float(sys.argv[1]) / 1000
        print(json.dumps({"url": vendor.url}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
