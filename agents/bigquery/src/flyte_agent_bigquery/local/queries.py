"""Query jobs: one statement, a script with child jobs, or a dry run.

Source: https://cloud.google.com/bigquery/docs/reference/rest/v2/Job#JobConfigurationQuery
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb

from .catalog import Catalog
from .engine import Engine
from .errors import BigQueryError
from .frames import Frame, Sessions
from .jobs import RUNNING, Job, JobStore
from .result_cache import ResultCache
from .scheduler import Scheduler
from .scripts import stack_frame
from .statements import Runner
from .stats import Usage, finished, query_statistics, started
from .steering import STEERING, Steering
from .tables import now_ms
from .work import Work, check_bytes, script_of, weighed

# Of the configuration of a script, what belongs to its statements too.
_INHERITED = (
    "useLegacySql", "priority", "maximumBytesBilled", "defaultDataset", "queryParameters", "parameterMode",
)  # fmt: skip


class QueryRunner:
    """Runs query jobs of one server."""

    def __init__(
        self, engine: Engine, catalog: Catalog, jobs: JobStore, scheduler: Scheduler, threads: int
    ) -> None:
        self._engine = engine
        self._catalog = catalog
        self._jobs = jobs
        self._scheduler = scheduler
        self._threads = threads
        self._sessions = Sessions()
        self._cache = ResultCache(catalog)

    # -- entry points ------------------------------------------------------------------------------

    def run(self, job: Job) -> None:
        """Run a job, in a thread. Raises ``BigQueryError``."""
        config = job.configuration["query"]
        script, frame = script_of(config), self._frame(config, job.session_id)
        work = Work(self._catalog, job.project, config, script, frame)
        with frame.lock, self._connected(job) as cursor:
            try:
                work.take_functions()
                if script.single:
                    self._statement(job, work, 0, cursor)
                else:
                    self._script(job, work, cursor)
            finally:
                self._close(frame)

    def dry_run(self, project: str, config: dict[str, Any]) -> dict[str, Any]:
        """``statistics`` of a query that is not run. Raises ``BigQueryError``."""
        work = Work(self._catalog, project, config, script_of(config), self._frame(config, ""))
        work.take_functions()
        usages = list(weighed(work))
        total = sum(usage.processed_bytes for usage in usages)
        usage = usages[0] if work.script.single else Usage("SCRIPT", processed_bytes=total)
        body = query_statistics(usage, dry_run=True)
        return {
            "creationTime": str(now_ms()),
            "totalBytesProcessed": body["totalBytesProcessed"],
            "query": body,
        }

    # -- what statements share ---------------------------------------------------------------------

    def session_of(self, config: dict[str, Any]) -> str:
        """The session a job runs in, made if it asks for one; empty for none."""
        given = config.get("connectionProperties") or []
        named = {item["key"]: item["value"] for item in given}.get("session_id", "")
        return self._sessions.create().session_id if config.get("createSession") else named

    def _frame(self, config: dict[str, Any], session: str) -> Frame:
        given = config.get("connectionProperties") or []
        named = {item["key"]: item["value"] for item in given}.get("session_id", "")
        return self._sessions.get(session or named) if session or named else Frame()

    @contextmanager
    def _connected(self, job: Job) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that a cancellation finds."""
        cursor = job.cursor = self._engine.cursor()
        try:
            job.stop_if_asked()
            yield cursor
        finally:
            job.cursor = None
            cursor.close()

    def _close(self, frame: Frame) -> None:
        """What a script made for itself goes; a session's stays."""
        frame.in_transaction = False  # closing the connection rolls it back
        for key in {} if frame.session_id else frame.temp_tables.values():
            if self._catalog.find(key) is not None:
                self._catalog.drop_table(key)

    # -- one statement -----------------------------------------------------------------------------

    def _statement(
        self, job: Job, work: Work, place: int, cursor: duckdb.DuckDBPyConnection
    ) -> Usage:
        """Run the statement at a place as a job."""
        config, made = job.configuration["query"], work.plan(place, cursor)
        job.note(started(job, made.usage))
        check_bytes(made.usage, config)
        fingerprint = self._cache.fingerprint(made, config)
        cached = self._cache.get(fingerprint) if fingerprint else None
        if cached is not None:
            job.result, made.usage.cache_hit = cached.key, True
            config["destinationTable"] = cached.reference
        else:
            (job.parent or job).stop_if_asked()
            runner = Runner(self._catalog, cursor, work.frame, job.project)
            runner.run(made, config)
            if made.query is not None and runner.target is not None:
                job.result = runner.target
                self._cache.keep(fingerprint, job.result, made)
        self._report(job, made.usage)
        return made.usage

    def _report(self, job: Job, usage: Usage) -> None:
        body = finished(job, usage, self._threads)
        job.totals = {name: body[name] for name in ("totalBytesProcessed", "totalSlotMs")}
        job.note(body)

    # -- scripts -----------------------------------------------------------------------------------

    def _script(self, job: Job, work: Work, cursor: duckdb.DuckDBPyConnection) -> None:
        if work.config.get("destinationTable"):
            message = "configuration.query.destinationTable cannot be set for scripts"
            raise BigQueryError("invalid", message)
        total = Usage("SCRIPT")
        for place, tree in enumerate(work.script.trees):
            job.stop_if_asked()
            if isinstance(tree, STEERING):
                steering = Steering(self._catalog, cursor, work.frame)
                steering.run(tree, work.compilation(place))
                continue
            usage = self._child(job, work, place, cursor)
            total.processed_bytes += usage.processed_bytes
            total.references |= usage.references
        self._report(job, total)

    def _child(self, job: Job, work: Work, place: int, cursor: duckdb.DuckDBPyConnection) -> Usage:
        """Run a statement as a job of its own."""
        child = self._child_job(job, work, place)
        try:
            usage = self._statement(child, work, place, cursor)
        except BaseException as raised:
            error = raised if isinstance(raised, BigQueryError) else job.stopping
            self._scheduler.finish(child, error or BigQueryError("internalError", str(raised)))
            raise
        self._scheduler.finish(child, None)
        job.result = child.result or job.result
        return usage

    def _child_job(self, job: Job, work: Work, place: int) -> Job:
        start, text = work.script.texts[place]
        digest = hashlib.sha256(job.job_id.encode()).hexdigest()[:32]
        kept = {name: work.config[name] for name in _INHERITED if name in work.config}
        child = Job(
            job.project,
            f"script_job_{digest}_{len(job.children)}",
            job.location,
            {"query": {"query": text, **kept}, "jobType": "QUERY"},
            "query",
            job.server_url,
            parent=job,
            state=RUNNING,
            started_ms=now_ms(),
        )
        frames = [stack_frame(work.script.source, start, text)]
        child.script = {"evaluationKind": "STATEMENT", "stackFrames": frames}
        job.children.append(child)
        self._jobs.add(child)
        return child
