"""
A Databricks workspace on this machine, for the real SDK, without an account or a network.

::

    with LocalDatabricks() as server:
        server.put_notebook("/Shared/me/score", "dbutils.notebook.exit('0.9')")
        client = WorkspaceClient(host=server.url, token=server.token)
        client.jobs.submit(...)

Python files, wheels and notebooks really run, in processes of their own; SQL runs on DuckDB. What one machine cannot
run, and every state and fault, can be scripted::

    server.script.add(Scripted.failing("boom"), kind="spark_jar_task")
    server.faults.add("runs.get", status=503, times=2)
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flyte_agent_testing.server import Fault, Reply, Request

from . import access, compute, states
from .errors import ApiError, code_of, error_reply
from .flow import Flow
from .processes import Processes
from .python_work import PythonWork
from .records import Job, Run, TaskRun
from .routes.auth import AuthRoutes
from .routes.dbfs import new_handles
from .routes.files import FileRoutes
from .routes.jobs import JobRoutes
from .routes.runs import RunRoutes
from .routes.sql import SqlRoutes
from .script import Script, Scripted
from .settings import normalized
from .sql import Database
from .sql_work import SqlWork
from .statements import WAREHOUSE, Statements
from .store import Store, now_ms
from .workers import Work, Workers

_HOLDS = ("QUEUED", "PENDING", "RUNNING")


class LocalDatabricks(AuthRoutes, JobRoutes, RunRoutes, FileRoutes, SqlRoutes):
    """
    A workspace.

    Args:
        data_dir: Folder with the workspace's files; without one they are gone at the end.
        git: Folders that stand for repositories, by URL.
        clients: OAuth clients: secret by id.
        scopes: Secrets for ``dbutils.secrets``, by scope and key.
        slots: Tasks that run at the same time; others are PENDING.
        setup_s: How long a task with compute is PENDING.
        stopping_s: How long a cancelled run is TERMINATING at least.
        max_active_runs: Runs at the same time; ``None`` for no limit.
        host: Where to listen.
        port: 0 takes a free one.
        latency_s: How much later every answer comes.
        tls: Speak ``https`` with this ``flyte_agent_testing.tls.Certificate``.

    Attributes:
        access: Tokens and permissions.
        clusters: Clusters by id.
        database: The catalogs.
        processes: What runs.
        script: What tasks do instead of their work.
        statements: The statements of warehouses.
        store: Jobs and runs.
    """

    def __init__(  # noqa: PLR0913  # each is one thing to set, by name
        self,
        data_dir: str | Path | None = None,
        *,
        git: Mapping[str, str | Path] | None = None,
        clients: Mapping[str, str] | None = None,
        scopes: Mapping[str, Mapping[str, str]] | None = None,
        slots: int = 0,
        setup_s: float = 0.0,
        stopping_s: float = 0.0,
        max_active_runs: int | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        latency_s: float = 0.0,
        tls: Any = None,
    ) -> None:
        super().__init__(host=host, port=port, latency_s=latency_s, tls=tls)
        self._folder = tempfile.TemporaryDirectory(prefix="local-databricks-")
        self.root = Path(data_dir or self._folder.name).resolve()
        self.access = access.Access(dict(clients or {}))
        self.access.tokens[access.TOKEN] = access.Grant(access.USER, float("inf"))
        self.clusters, self.store, self.script = compute.Clusters(), Store(), Script()
        self.clusters.add(compute.LOCAL_CLUSTER)
        self.flow = Flow(self.store, self.script, self.clusters, self.call_later)
        self.flow.setup_s, self.flow.stopping_s = setup_s, stopping_s
        self.flow.max_active_runs = max_active_runs
        self.database, self.queries = Database(), {}
        self.statements, self.processes = Statements(self.database), Processes()
        self._handles, self._numbers = {}, new_handles()
        repositories = {url.removesuffix(".git"): Path(path) for url, path in (git or {}).items()}
        runs = Path(self._folder.name, "runs")
        python = PythonWork(
            self.root, runs, self.processes, self.clusters, repositories, scopes or {}
        )
        sql = SqlWork(self.root, self.database, self.queries)
        work_of: dict[str, Work] = {
            "notebook_task": python,
            "python_wheel_task": python,
            "spark_python_task": python,
            "sql_task": sql,
        }
        self.workers = Workers(self.flow, slots or max(4, os.cpu_count() or 1), work_of)

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self) -> LocalDatabricks:
        """Serve; see :meth:`FakeServer.start`."""
        super().start()
        self.workers.start()
        self.statements.start()
        return self

    def on_stop(self) -> None:
        """End all that runs."""
        for run in self.store.active():
            self.flow.cancel(run, states.STOPPED)
        self.processes.close()
        self.workers.stop()
        self.statements.stop()

    def stop(self) -> None:
        """Stop serving; no process, thread or file is left."""
        super().stop()
        self.processes.close()
        self.database.close()
        self._folder.cleanup()

    @property
    def token(self) -> str:
        """A token of an administrator."""
        return access.TOKEN

    @property
    def warehouse_id(self) -> str:
        """A warehouse."""
        return WAREHOUSE

    @property
    def cluster_id(self) -> str:
        """A cluster."""
        return compute.LOCAL_CLUSTER

    # -- seeding ------------------------------------------------------------------------------------------------

    def put_notebook(self, path: str, source: str, *, language: str = "PYTHON") -> Path:
        """Keep a notebook in Databricks' source format, or of Jupyter's; return where it is on the disk."""
        kind = "JUPYTER" if source.lstrip().startswith("{") else "SOURCE"
        return self.put_object(path, source.encode(), kind, language, overwrite=True)

    def put_file(self, path: str, content: str | bytes) -> Path:
        """Keep a file of the workspace, of a volume or of DBFS; return where it is on the disk."""
        data = content.encode() if isinstance(content, str) else content
        return self.put_object(path, data, "RAW", "", overwrite=True)

    def create_job(self, settings: dict[str, Any], *, creator: str = access.USER) -> int:
        """Keep a job that every user may run; return its id. Raises ``ApiError``."""
        everybody = [{"group_name": "users", "permission_level": "CAN_MANAGE_RUN"}]
        job = Job(
            self.store.new_id(), normalized(settings, is_submit=False), creator, now_ms(), everybody
        )
        self.store.jobs[job.job_id] = job
        return job.job_id

    # -- looking ------------------------------------------------------------------------------------------------

    def run(self, run_id: int | str) -> Run:
        """Return a run; its ``done`` is an event. Raises ``ApiError``."""
        return self.store.run(run_id)

    def task(self, run_id: int | str, task_key: str = "") -> TaskRun:
        """Return the last attempt at a task of a run, by default at its only one."""
        latest = self.run(run_id).latest()
        if task_key:
            return latest[task_key]
        (only,) = latest.values()
        return only

    # -- steering -----------------------------------------------------------------------------------------------

    def hold_runs(self, state: str) -> None:
        """Keep runs that come from now on QUEUED, PENDING or RUNNING, until :meth:`release_runs`."""
        if state not in _HOLDS:
            raise ValueError(f"state: found {state!r}, expected one of {', '.join(_HOLDS)}")
        self.flow.holds_queue = state == "QUEUED"
        self.flow.hold = state if state != "QUEUED" else ""

    def release_runs(self) -> None:
        """Let held runs go on, and hold no more."""
        self.flow.holds_queue = False
        self.flow.release()
        self.flow.let_queue_go()

    def end_run(self, run_id: int | str, scripted: Scripted | None = None) -> None:
        """End a held run as a script says; by default well."""
        self.flow.end_run(self.run(run_id), scripted or Scripted())

    def set_words(self, run_id: int | str, words: states.Words) -> None:
        """Show a run in any state, also in one that Databricks does not have; it stays there."""
        self.flow.set_run(self.run(run_id), words, freeze=True)

    def lose_cluster(
        self, run_id: int | str, task_key: str = "", *, code: str = "SPOT_INSTANCE_TERMINATION"
    ) -> None:
        """Take away the cluster of a task that runs, as a cloud does."""
        task = self.task(run_id, task_key)
        message = f"Cluster {task.cluster_id} was terminated during the run: {code}."
        self.clusters.terminate(
            task.cluster_id, code, "CLOUD_FAILURE", instance_id="i-0123456789abcdef0"
        )
        with self.store.lock:
            self.flow.stop(task, states.broken("CLUSTER_ERROR", message, "CLOUD_FAILURE"))

    # -- errors -------------------------------------------------------------------------------------------------

    def error_reply(self, error: Exception) -> Reply:
        """Answer in Databricks' form."""
        if isinstance(error, ApiError):
            return error.reply()
        known = super().error_reply(error)
        if known.status == 500:  # a fault of ours, which a client must not take for one that passes
            message = f"the local workspace broke: {type(error).__name__}: {error}"
            return error_reply("NOT_IMPLEMENTED", message, 501)
        return known

    def fault_reply(self, fault: Fault) -> Reply:
        """Answer a scripted fault; ``reason`` is the ``error_code``."""
        status = fault.status or 500
        code = fault.reason or code_of(status)
        return error_reply(
            code, fault.message or f"scripted fault: {code}", status, dict(fault.headers)
        )

    def not_found(self, request: Request) -> Reply:
        """Say that there is no such thing here."""
        message = f"No API found for '{request.method} {request.path}' in the local workspace"
        return error_reply("ENDPOINT_NOT_FOUND", message, 404)
