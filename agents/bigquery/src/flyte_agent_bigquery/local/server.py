"""The stand-in for BigQuery: its REST API over DuckDB, for the real SDK, without an account or a network.

::

    with LocalBigQuery() as server:
        server.load_csv("demo.flights", "flights.csv.zip")
        client = bigquery.Client(
            "local", AnonymousCredentials(), client_options={"api_endpoint": server.url}
        )
        client.query("SELECT COUNT(*) FROM demo.flights")
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flyte_agent_testing.server import Fault, Reply, Request

from .catalog import Catalog
from .engine import Engine
from .errors import STATUSES, BigQueryError
from .formats import reader
from .jobs import Job, JobStore
from .loads import LoadRunner, seed_fields
from .queries import QueryRunner
from .routes.auth import AuthRoutes
from .routes.queries import QueryRoutes
from .routes.tables import TableRoutes
from .routes.uploads import UploadRoutes
from .scheduler import Scheduler
from .storage import Storage
from .tables import Table
from .transfers import TransferRunner

MAX_BODY_BYTES = 10 << 20
JOB_THREADS = 8


class LocalBigQuery(AuthRoutes, UploadRoutes, QueryRoutes, TableRoutes):
    """BigQuery on this machine.

    Args:
        data_dir: Folder that keeps datasets and tables between runs; without one they live in memory.
        gcs_dir: Folder that stands for Cloud Storage: ``gs://bucket/path`` is ``gcs_dir/bucket/path``.
        project: Project of the seeding methods.
        location: Where datasets and jobs are unless they say otherwise.
        require_auth: Refuse requests without a token that this server issued.
        pending_s: How long jobs are PENDING at least.
        running_s: How long jobs are RUNNING at least.
        port: 0 takes a free one.
        latency_s: How much later every answer comes.
    """

    def __init__(  # noqa: PLR0913 - each is one thing to set, by name
        self,
        data_dir: str | Path | None = None,
        *,
        gcs_dir: str | Path | None = None,
        project: str = "local",
        location: str = "US",
        require_auth: bool = False,
        pending_s: float = 0.0,
        running_s: float = 0.0,
        host: str = "127.0.0.1",
        port: int = 0,
        latency_s: float = 0.0,
    ) -> None:
        super().__init__(host=host, port=port, latency_s=latency_s)
        self.project, self.location, self.require_auth = project, location, require_auth
        self.tokens: set[str] = set()
        self.uploads = {}
        self.requests_seen = {}
        folder = Path(data_dir) if data_dir is not None else None
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self.engine = Engine(folder / "bigquery.duckdb" if folder is not None else None)
        self.catalog = Catalog(self.engine, location, keep=folder is not None)
        self.jobs = JobStore()
        self.scheduler = Scheduler(self._run, self.call_later, JOB_THREADS)
        self.scheduler.pending_s, self.scheduler.running_s = pending_s, running_s
        storage = Storage(Path(gcs_dir) if gcs_dir is not None else None)
        self.queries = QueryRunner(
            self.engine, self.catalog, self.jobs, self.scheduler, os.cpu_count() or 1
        )
        self._loads = LoadRunner(self.catalog, storage)
        self._transfers = TransferRunner(self.catalog, storage)

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> LocalBigQuery:
        """Serve; see :meth:`FakeServer.start`."""
        self.scheduler.start()
        super().start()
        return self

    def on_stop(self) -> None:
        """End running jobs."""
        self.scheduler.stop()

    def stop(self) -> None:
        """Stop serving and close the database."""
        super().stop()
        self.engine.close()

    # -- jobs ---------------------------------------------------------------------------------------------------

    def _run(self, job: Job) -> None:
        if job.kind == "query":
            self.queries.run(job)
            return
        runners = {
            "load": self._loads.run,
            "extract": self._transfers.extract,
            "copy": self._transfers.copy,
        }
        job.cursor = self.engine.cursor()
        try:
            job.stop_if_asked()
            runners[job.kind](job, job.cursor)
        finally:
            cursor, job.cursor = job.cursor, None
            cursor.close()

    def hold_jobs(self, state: str = "RUNNING") -> None:
        """Keep jobs that come from now on PENDING or RUNNING, until :meth:`release` or :meth:`finish`."""
        self.scheduler.hold(state)

    def release(self, job_id: str = "") -> None:
        """Let one held job go on, or all of them, and hold no more."""
        self.scheduler.release(self.job(job_id) if job_id else None)

    def finish(self, job_id: str, error: tuple[str, str] | None = None) -> None:
        """End a held job: with an error (reason, message), or by running it now."""
        job = self.job(job_id)
        if error is None:
            self.scheduler.release(job)
            job.done.wait()
        else:
            self.scheduler.finish(job, BigQueryError(*error))

    def job(self, job_id: str) -> Job:
        """A job by its id, of whatever project. Raises ``KeyError``."""
        for job in self.jobs.all():
            if job.job_id == job_id:
                return job
        raise KeyError(job_id)

    # -- data ---------------------------------------------------------------------------------------------------

    def load_csv(self, name: str, path: str | Path, *, null_marker: str = "") -> Table:
        """Make ``dataset.table`` of a CSV file with a header; ``.gz`` and ``.zip`` are unpacked."""
        config = {"nullMarker": null_marker, "skipLeadingRows": "1", "allowQuotedNewlines": True}
        return self._seed(name, Path(path), "CSV", config)

    def load_json(self, name: str, path: str | Path) -> Table:
        """Make ``dataset.table`` of a file with a JSON object in each line."""
        return self._seed(name, Path(path), "NEWLINE_DELIMITED_JSON", {})

    def load_parquet(self, name: str, path: str | Path) -> Table:
        """Make ``dataset.table`` of a Parquet file."""
        return self._seed(
            name, Path(path), "PARQUET", {"parquetOptions": {"enableListInference": True}}
        )

    def create_dataset(self, name: str, *, location: str = "") -> None:
        """Make a dataset, unless it is there."""
        self.catalog.create_dataset(self.project, name, location=location, exists_ok=True)

    def _seed(self, name: str, path: Path, kind: str, config: dict[str, Any]) -> Table:
        dataset, _, table = name.rpartition(".")
        self.create_dataset(dataset)
        key = (self.project, dataset, table)
        if self.catalog.find(key) is not None:
            self.catalog.drop_table(key)
        with TemporaryDirectory(prefix="bq-seed-") as folder, self.engine.connection() as cursor:
            files = [_unzipped(path, Path(folder))]
            found = reader(kind, config)
            fields = seed_fields(cursor, found, files)
            rows = found.rows(cursor, files, fields)
            return self.catalog.create_table(key, fields, cursor=cursor, rows=rows)

    # -- errors -------------------------------------------------------------------------------------------------

    def admit(self, request: Request) -> Reply | None:
        """Refuse huge bodies, as Google does, and requests without a token where one is required."""
        if len(request.body) > MAX_BODY_BYTES and not request.route.startswith("jobs.upload"):
            message = f"Request payload size exceeds the limit: {MAX_BODY_BYTES} bytes."
            return self.error_reply(BigQueryError("badRequest", message))
        return super().admit(request)

    def error_reply(self, error: Exception) -> Reply:
        """Google's envelope."""
        if isinstance(error, BigQueryError):
            return Reply(error.status, error.envelope())
        known = super().error_reply(error)
        if known.status == 500:  # a fault of ours: Google's client would repeat a 500 for minutes
            message = f"the local stand-in broke: {type(error).__name__}: {error}"
            return Reply(501, BigQueryError("notImplemented", message).envelope(501))
        return known

    def fault_reply(self, fault: Fault) -> Reply:
        """A scripted fault in Google's envelope; the status follows from the reason, or the other way round."""
        status = fault.status or 500
        reason = fault.reason or _reason_of(status)
        message = fault.message or f"scripted fault: {reason}"
        return Reply(status, BigQueryError(reason, message).envelope(status), fault.headers)

    def not_found(self, request: Request) -> Reply:
        """A path that this server does not know."""
        message = f"the local stand-in has no {request.method} {request.path}"
        return Reply(404, BigQueryError("notFound", message).envelope())


def _reason_of(status: int) -> str:
    known = {
        429: "rateLimitExceeded",
        500: "internalError",
        502: "backendError",
        504: "backendError",
    }
    found = (reason for reason, (code, _) in STATUSES.items() if code == status)
    return known.get(status) or next(found, "backendError")


def _unzipped(path: Path, folder: Path) -> Path:
    if path.suffix != ".zip":
        return path
    with zipfile.ZipFile(path) as archive:
        return Path(archive.extract(archive.namelist()[0], folder))
