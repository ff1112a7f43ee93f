"""Python files, wheels and notebooks: found, given to a process, and what it leaves read."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .compute import Clusters
from .driver.dbruntime.paths import OutsideError, notebook_on_disk, on_disk
from .libraries import LibraryError, install
from .parameters import arguments
from .processes import Processes
from .records import Output, TaskRun
from .states import FAILED, SUCCESS, Words, broken
from .taskflow import Ending
from .workers import Switch

_DRIVER = str(Path(__file__).parent / "driver")
_PRIVATE = ("DATABRICKS_", "LOCAL_DATABRICKS_")
_MESSAGE_CHARS = 10_000


class NotThereError(Exception):
    """What a task is to run does not exist; ``words`` is how it ends."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.words: Words = broken(code, message)


class PythonWork:
    """
    Runs Python tasks.

    Args:
        root: The workspace's folder.
        runs: Where each task run gets a folder.
        processes: What they are.
        clusters: For their environment variables.
        git: Folders that stand for repositories, by URL.
        scopes: Secrets by scope and key.
    """

    def __init__(
        self,
        root: Path,
        runs: Path,
        processes: Processes,
        clusters: Clusters,
        git: Mapping[str, Path],
        scopes: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._root, self._runs = root, runs
        self._processes, self._clusters = processes, clusters
        self._git, self._scopes = git, scopes

    def __call__(self, task: TaskRun, switch: Switch) -> Ending:
        """Run one in a process and return how it ended."""
        folder = self._runs / str(task.run_id)
        folder.mkdir(parents=True)
        try:
            spec = self._spec(task, folder)
        except (LibraryError, NotThereError) as error:
            return Ending(error.words, Output({"error": error.words.message}))
        log, written = folder / "log.txt", folder / "spec.json"
        written.write_text(json.dumps(spec))
        written.chmod(0o600)
        if switch.is_off:
            return Ending(FAILED)
        command = [sys.executable, "-m", "dbruntime", str(written)]
        process = self._processes.start(command, env=self._env(task), cwd=folder, log=log)
        task.output.log = str(log)
        switch.ends(process.kill)
        status = process.wait()
        self._processes.forget(process)
        return _ending(status, folder, log)

    def _spec(self, task: TaskRun, folder: Path) -> dict[str, Any]:
        settings, run = task.settings, task.run
        latest = run.latest()
        libraries = install(task.spec, run.settings, self._root, folder / "libraries")
        spec: dict[str, Any] = {
            "root": str(self._root),
            "result": str(folder / "result.json"),
            "alive": self._processes.alive_fd,
            "argv": arguments(settings) if task.kind != "notebook_task" else [],
            "values": {key: other.values for key, other in latest.items() if other.values},
            "secrets": {scope: dict(keys) for scope, keys in self._scopes.items()},
            "sys_path": libraries,
        }
        if task.kind == "notebook_task":
            file = self._notebook(settings, run.settings)
            widgets = {
                name: str(value) for name, value in (settings.get("base_parameters") or {}).items()
            }
            return {**spec, "kind": "notebook", "file": str(file), "widgets": widgets,
                    "path": settings["notebook_path"]}  # fmt: skip
        if task.kind == "python_wheel_task":
            return {**spec, "kind": "wheel", "package": settings["package_name"],
                    "entry_point": settings["entry_point"], "widgets": run.parameters}  # fmt: skip
        file = self._file(settings, run.settings)
        return {**spec, "kind": "file", "path": str(file), "widgets": run.parameters,
                "sys_path": [str(file.parent), *libraries]}  # fmt: skip

    def _notebook(self, settings: dict[str, Any], whole: dict[str, Any]) -> Path:
        path = settings["notebook_path"]
        repository = self._repository(settings, whole)
        try:
            found = notebook_on_disk(self._root, path, beside=repository)
        except OutsideError as error:
            raise NotThereError("INVALID_RUN_CONFIGURATION", str(error)) from None
        if found is None:
            raise NotThereError(
                "RESOURCE_NOT_FOUND",
                f'Unable to access the notebook "{path}". Either it does not exist, or the identity used to run '
                "this job lacks the required permissions.",
            )
        return found

    def _file(self, settings: dict[str, Any], whole: dict[str, Any]) -> Path:
        path = settings["python_file"]
        repository = self._repository(settings, whole)
        try:
            found = (
                repository / path if repository else on_disk(self._root, path, default="Workspace")
            )
        except OutsideError as error:
            raise NotThereError("INVALID_RUN_CONFIGURATION", str(error)) from None
        if "://" in path:
            raise NotThereError(
                "STORAGE_ACCESS_ERROR",
                f"The local workspace reads no {path.partition('://')[0]}:// files: put {path} into the workspace, "
                "DBFS or a volume.",
            )
        if not found.is_file():
            raise NotThereError(
                "RESOURCE_NOT_FOUND",
                f"Cannot read the python file {path}. Please check that it exists.",
            )
        return found

    def _repository(self, settings: dict[str, Any], whole: dict[str, Any]) -> Path | None:
        source = whole.get("git_source")
        if source is None or settings.get("source") == "WORKSPACE":
            return None
        url = str(source.get("git_url", "")).removesuffix(".git")
        if url not in self._git:
            raise NotThereError(
                "REPOSITORY_CHECKOUT_FAILED",
                f"Failed to checkout {url}: the local workspace has only the repositories it was given as "
                "git={url: folder}.",
            )
        return self._git[url]

    def _env(self, task: TaskRun) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
        env |= self._clusters.env_of(task)
        for environment in task.run.settings.get("environments") or []:
            if environment.get("environment_key") == task.spec.get("environment_key"):
                env |= {
                    n: str(v)
                    for n, v in (environment["spec"].get("environment_vars") or {}).items()
                }
        for each in task.run.settings.get("environment_variables") or []:
            if each.get("environment_variables_key") == task.spec.get("environment_variables_key"):
                env |= (each.get("spec") or {}).get("variables") or {}
        before = os.environ.get("PYTHONPATH")
        env["PYTHONPATH"] = os.pathsep.join(
            filter(None, [_DRIVER, env.get("PYTHONPATH") or before])
        )
        return {**env, "DATABRICKS_RUNTIME_VERSION": "local", "PYTHONUNBUFFERED": "1"}


def _ending(status: int, folder: Path, log: Path) -> Ending:
    path = folder / "result.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    output = Output(log=str(log), result=found.get("exit"))
    if status == 0 and "error" not in found:
        return Ending(SUCCESS, output, found.get("values", {}))
    words = FAILED
    if "error" not in found:
        name = f" ({signal.Signals(-status).name})" if status < 0 else ""
        message = f"The Python process exited with exit code {128 - status if status < 0 else status}{name}."
        words = broken("DRIVER_ERROR", message) if status < 0 else FAILED.saying(message)
        found["error"] = message
    output.fields = {"error": found["error"][:_MESSAGE_CHARS]}
    if "error_trace" in found:
        output.fields["error_trace"] = found["error_trace"]
    return Ending(words, output, found.get("values", {}))
