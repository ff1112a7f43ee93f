"""
The parts of three vendors' APIs that flytekit's own connectors call, over HTTP.

Where a vendor's documentation leaves open what happens, such as to a second cancel, the stand-in is kind.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from flyte_agent_testing.conformance import HoldingServer, ServerBackend
from flyte_agent_testing.server import Fault, Reply, ReplyError, Request, route

TOKEN = "access-token-5b2c9d1e"


class Vendor(HoldingServer):
    """
    A vendor with jobs.

    Attributes:
        jobs: Whatever is known of a job, by its id.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.jobs: dict[str, dict[str, Any]] = {}

    def known(self, job: str) -> dict[str, Any]:
        """Return a job, or answer that there is none."""
        if job not in self.jobs:
            raise ReplyError(self.fault_reply(Fault("*", status=404, message=f"no job {job}")))
        return self.jobs[job]

    def refuse(self, message: str) -> ReplyError:
        """Return the answer to a request that its user has to change."""
        return ReplyError(self.fault_reply(Fault("*", status=400, message=message)))


class JobsBackend(ServerBackend):
    """What the kit asks; the state of a job is under ``state``, what went wrong under ``error``."""

    routes = {"create": ("create",), "get": ("get",), "delete": ("cancel",)}
    done, failed, over = "", "", frozenset[str]()

    def jobs(self) -> list[str]:
        return list(self.server.jobs)

    def running(self) -> list[str]:
        return [name for name, job in self.server.jobs.items() if job["state"] not in self.over]

    def finish(self, job: str) -> None:
        self.set_state(job, self.done)

    def fail(self, job: str, message: str) -> None:
        self.set_state(job, self.failed)
        self.server.jobs[job]["error"] = message

    def set_state(self, job: str, state: str) -> None:
        self.server.jobs[job]["state"] = state

    def forget(self, job: str) -> None:
        del self.server.jobs[job]

    def results(self, job: str) -> Any:
        return self.server.jobs.get(job, {}).get("state")


class BigQuery(Vendor):
    """https://cloud.google.com/bigquery/docs/reference/rest/v2/jobs."""

    def fault_reply(self, fault: Fault) -> Reply:
        reasons = {503: "backendError", 429: "rateLimitExceeded", 403: "accessDenied"}
        reason = reasons.get(fault.status or 0, "invalid")
        errors = [{"reason": reason, "message": fault.message, "domain": "global"}]
        error = {"code": fault.status, "message": fault.message, "errors": errors}
        return Reply(fault.status or 500, {"error": error})

    @route("POST", "/token", inline=True)
    def token(self, _: Request) -> Reply:
        return Reply(200, {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    @route("POST", "/bigquery/v2/projects/{project}/jobs", inline=True)
    def create(self, request: Request, project: str) -> Reply:
        body = request.json
        if not body["configuration"]["query"]["query"].strip():
            raise self.refuse("Required parameter is missing: query")
        job = body["jobReference"]["jobId"]
        if job in self.jobs:
            raise ReplyError(self.fault_reply(Fault("*", status=409, message=f"{job} exists")))
        self.jobs[job] = {"state": "RUNNING", "project": project, "body": body}
        return Reply(200, self._shown(job))

    @route("GET", "/bigquery/v2/projects/{project}/jobs/{job}", inline=True)
    def get(self, _: Request, project: str, job: str) -> Reply:
        self.known(job)
        return Reply(200, self._shown(job))

    @route("POST", "/bigquery/v2/projects/{project}/jobs/{job}/cancel", inline=True)
    def cancel(self, _: Request, project: str, job: str) -> Reply:
        known = self.known(job)
        if known["state"] != "DONE":
            known.update(state="DONE", error="Job execution was cancelled: User requested")
        return Reply(200, {"job": self._shown(job)})

    def _shown(self, job: str) -> dict[str, Any]:
        known = self.jobs[job]
        status: dict[str, Any] = {"state": known["state"]}
        if message := known.get("error"):
            error = {"reason": "invalidQuery", "message": message}
            status.update(errorResult=error, errors=[error])
        return {
            "jobReference": {"projectId": known["project"], "jobId": job, "location": "US"},
            "configuration": known["body"]["configuration"],
            "statistics": {"creationTime": "1700000000000"},
            "status": status,
        }

    def write_key(self, folder: Path) -> Path:
        """Write a service account's key file whose tokens come from here."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        info = {
            "type": "service_account",
            "project_id": "p-1",
            "private_key": pem.decode(),
            "client_email": "kit@p-1.iam.gserviceaccount.com",
            "token_uri": f"{self.url}/token",
        }
        file = folder / "key.json"
        file.write_text(json.dumps(info))
        return file


class BigQueryJobs(JobsBackend):
    done, failed, over = "DONE", "DONE", frozenset({"DONE"})


class Batches(Vendor):
    """https://platform.openai.com/docs/api-reference/batch."""

    def fault_reply(self, fault: Fault) -> Reply:
        return Reply(fault.status or 500, {"error": {"message": fault.message, "type": "error"}})

    @route("POST", "/v1/batches", inline=True)
    def create(self, request: Request) -> Reply:
        body = request.json
        if not body["input_file_id"]:
            raise self.refuse("input_file_id: the file does not exist")
        job = f"batch_{len(self.jobs):024x}"
        self.jobs[job] = {"state": "in_progress", "body": body}
        return Reply(200, self._shown(job))

    @route("GET", "/v1/batches/{job}", inline=True)
    def get(self, _: Request, job: str) -> Reply:
        self.known(job)
        return Reply(200, self._shown(job))

    @route("POST", "/v1/batches/{job}/cancel", inline=True)
    def cancel(self, _: Request, job: str) -> Reply:
        known = self.known(job)
        if known["state"] not in BatchJobs.over:
            known["state"] = "cancelled"
        return Reply(200, self._shown(job))

    def _shown(self, job: str) -> dict[str, Any]:
        known = self.jobs[job]
        found = [{"code": "invalid", "message": known["error"]}] if "error" in known else []
        return {
            "id": job,
            "object": "batch",
            "endpoint": known["body"]["endpoint"],
            "input_file_id": known["body"]["input_file_id"],
            "completion_window": "24h",
            "status": known["state"],
            "created_at": 1_700_000_000,
            "errors": {"object": "list", "data": found} if found else None,
            "output_file_id": "file-1" if known["state"] == "completed" else None,
        }


class BatchJobs(JobsBackend):
    done, failed = "completed", "failed"
    over = frozenset({"completed", "failed", "expired", "cancelled"})


class Databricks(Vendor):
    """https://docs.databricks.com/api/workspace/jobs, version 2.1."""

    def fault_reply(self, fault: Fault) -> Reply:
        return Reply(fault.status or 500, {"error_code": "ERROR", "message": fault.message})

    @route("POST", "/api/2.1/jobs/runs/submit", inline=True)
    def create(self, request: Request) -> Reply:
        token = request.json.get("idempotency_token")
        for job, known in self.jobs.items():
            if token and known["body"].get("idempotency_token") == token:
                return Reply(200, {"run_id": int(job)})
        job = str(1000 + len(self.jobs))
        self.jobs[job] = {"state": "RUNNING", "body": request.json}
        return Reply(200, {"run_id": int(job)})

    @route("GET", "/api/2.1/jobs/runs/get", inline=True)
    def get(self, request: Request) -> Reply:
        job = request.query["run_id"]
        state = self.known(job)["state"]
        is_over = state in RunJobs.results_of_runs
        shown = {"life_cycle_state": "TERMINATED" if is_over else state}
        shown |= {"result_state": state} if is_over else {}
        shown["state_message"] = self.jobs[job].get("error", "")
        return Reply(200, {"job_id": 7, "run_id": int(job), "state": shown})

    @route("POST", "/api/2.1/jobs/runs/cancel", inline=True)
    def cancel(self, request: Request) -> Reply:
        known = self.known(str(request.json["run_id"]))
        if known["state"] not in RunJobs.over:
            known["state"] = "CANCELED"
        return Reply(200, {})


class RunJobs(JobsBackend):
    done, failed = "SUCCESS", "FAILED"
    results_of_runs = frozenset({
        "SUCCESS", "FAILED", "TIMEDOUT", "CANCELED", "MAXIMUM_CONCURRENT_RUNS_REACHED", "EXCLUDED",
        "SUCCESS_WITH_FAILURES", "UPSTREAM_FAILED", "UPSTREAM_CANCELED", "DISABLED",
    })  # fmt: skip
    over = results_of_runs | {"SKIPPED", "INTERNAL_ERROR"}
