"""``dbutils``, as far as a task on one machine can use it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .files import FileUtilities

_VALUE_BYTES = 48 << 10  # as Databricks limits them


class NotebookExit(BaseException):
    """``dbutils.notebook.exit`` was called; not an ``Exception``, so that ``except Exception`` lets it pass."""

    def __init__(self, value: str) -> None:
        super().__init__(value)
        self.value = value


class WidgetError(KeyError):
    """No such parameter."""


class Widgets:
    """``dbutils.widgets``: the parameters of a notebook."""

    def __init__(self, given: dict[str, str]) -> None:
        self._given = dict(given)
        self._defaults: dict[str, str] = {}

    def get(self, name: str) -> str:
        """
        Return a parameter.

        Raises:
            WidgetError: It was neither given nor defined.
        """
        for values in (self._given, self._defaults):
            if name in values:
                return values[name]
        raise WidgetError(
            f"InputWidgetNotDefined: No input widget named {name} is defined: give the parameter, or define it "
            f'with dbutils.widgets.text("{name}", "")'
        )

    def text(self, name: str, defaultValue: str = "", label: str = "") -> None:  # noqa: N803  # as it is called
        """Define a parameter with a default."""
        self._defaults[name] = str(defaultValue)

    def dropdown(self, name: str, defaultValue: str, choices: Any, label: str = "") -> None:  # noqa: N803  # as above
        """The same for one of some choices."""
        self.text(name, defaultValue)

    combobox = multiselect = dropdown

    def getAll(self) -> dict[str, str]:  # noqa: N802  # as it is called
        """Return all parameters."""
        return {**self._defaults, **self._given}

    def remove(self, name: str) -> None:
        """Forget one."""
        self._defaults.pop(name, None)

    def removeAll(self) -> None:  # noqa: N802  # as it is called
        """Forget those that were defined."""
        self._defaults.clear()


class TaskValues:
    """``dbutils.jobs.taskValues``: small values from one task to those after it."""

    def __init__(self, before: dict[str, dict[str, Any]]) -> None:
        self._before = before
        self.made: dict[str, Any] = {}

    def set(self, key: str, value: Any) -> None:
        """
        Leave a value.

        Raises:
            ValueError: It is no JSON, or larger than 48 KiB.
        """
        size = len(json.dumps(value).encode())
        if size > _VALUE_BYTES:
            raise ValueError(
                f"taskValues {key!r}: found {size} bytes, expected at most {_VALUE_BYTES}"
            )
        self.made[key] = value

    def get(self, taskKey: str, key: str, default: Any = None, debugValue: Any = None) -> Any:  # noqa: N803  # as it is called
        """
        Return a value that a task before left.

        Raises:
            ValueError: It left none, and there is no default.
        """
        values = self._before.get(taskKey, {})
        if key in values:
            return values[key]
        if default is None:
            raise ValueError(f"No task value with key {key!r} was set by the task {taskKey!r}")
        return default


class Jobs:
    """``dbutils.jobs``."""

    def __init__(self, before: dict[str, dict[str, Any]]) -> None:
        self.taskValues = TaskValues(before)  # the name that is used


class Secrets:
    """``dbutils.secrets``."""

    def __init__(self, scopes: dict[str, dict[str, str]]) -> None:
        self._scopes = scopes

    def get(self, scope: str, key: str) -> str:
        """
        Return a secret.

        Raises:
            ValueError: There is none.
        """
        try:
            return self._scopes[scope][key]
        except KeyError:
            raise ValueError(f"Secret does not exist with scope: {scope} and key: {key}") from None


class NotebookUtilities:
    """``dbutils.notebook``."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec

    def exit(self, value: Any) -> None:
        """
        End the notebook and hand back a text.

        Raises:
            NotebookExit: Always.
        """
        raise NotebookExit(str(value))

    def run(
        self, path: str, timeout_seconds: int = 0, arguments: dict[str, Any] | None = None
    ) -> str:
        """
        Run another notebook and return what it exits with.

        Raises:
            RuntimeError: It failed, or took too long.
        """
        with tempfile.TemporaryDirectory(prefix="notebook-") as folder:
            result, spec = Path(folder, "result.json"), Path(folder, "spec.json")
            widgets = {name: str(value) for name, value in (arguments or {}).items()}
            ours = {
                name: value for name, value in self._spec.items() if name not in ("alive", "file")
            }
            beside = Path(self._spec.get("file") or self._spec.get("path", ".")).parent
            changed = {"kind": "notebook", "path": path, "widgets": widgets, "result": str(result)}
            spec.write_text(json.dumps({**ours, **changed, "beside": str(beside)}))
            command = [sys.executable, "-m", "dbruntime", str(spec)]
            try:
                subprocess.run(command, check=False, timeout=timeout_seconds or None)  # noqa: S603  # this program again
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"{path}: did not end within {timeout_seconds} s") from None
            found = (
                json.loads(result.read_text()) if result.exists() else {"error": "it was killed"}
            )
        if found.get("error"):
            raise RuntimeError(f"{path}: {found['error']}")
        return str(found.get("exit") or "")


class Utilities:
    """
    ``dbutils``.

    Args:
        spec: What the task is; see :mod:`.__main__`.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self.fs = FileUtilities(Path(spec["root"]))
        self.jobs = Jobs(spec.get("values", {}))
        self.notebook = NotebookUtilities(spec)
        self.secrets = Secrets(spec.get("secrets", {}))
        self.widgets = Widgets(spec.get("widgets", {}))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"dbutils.{name}: the local workspace has dbutils.fs, jobs, notebook, secrets and widgets"
        )
