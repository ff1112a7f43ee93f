"""
Run one task: ``python -m dbruntime SPEC``.

SPEC is a JSON file: ``kind`` (``file``, ``wheel`` or ``notebook``) with ``path`` or ``package`` and
``entry_point``, ``file`` (a notebook's, where it is known), ``argv``, ``widgets``, ``values`` (of the tasks before),
``secrets``, ``sys_path``, ``root`` (the workspace's folder), ``result`` (the JSON file to leave) and ``alive`` (a pipe
that ends with the workspace).
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import runpy
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from . import UserNamespaceInitializer, family
from .cells import Cells
from .notebooks import NotebookError, read, script
from .paths import notebook_on_disk
from .sparks import LazyContext, LazySpark
from .utilities import NotebookExit, Utilities

_HERE = str(Path(__file__).parent)


def main(spec_path: str) -> int:
    """Run the task that a file describes; return the exit status."""
    spec = json.loads(Path(spec_path).read_text())
    _die_with_the_workspace(spec.get("alive"))
    utilities = Utilities(spec)
    sys.path[:0] = spec.get("sys_path", [])
    result: dict[str, Any] = {}
    try:
        _run(spec, _names_for(utilities))
    except NotebookExit as ended:
        result["exit"] = ended.value
    except SystemExit as ended:
        if ended.code not in (None, 0):
            result["error"] = f"SystemExit: {ended.code}"
    except BaseException as error:  # noqa: BLE001  # whatever a task raises is its result
        result |= _told(error)
    finally:
        result["values"] = utilities.jobs.taskValues.made
        Path(spec["result"]).write_text(json.dumps(result))
    return 1 if "error" in result else 0


def _run(spec: dict[str, Any], names: dict[str, Any]) -> None:
    sys.argv = [spec.get("path") or spec.get("package", ""), *spec.get("argv", [])]
    if spec["kind"] == "wheel":
        _call_entry_point(spec["package"], spec["entry_point"])
    elif spec["kind"] == "notebook":
        _run_notebook(spec, names)
    else:
        runpy.run_path(spec["path"], init_globals=names, run_name="__main__")


def _run_notebook(spec: dict[str, Any], names: dict[str, Any]) -> None:
    root, beside = Path(spec["root"]), spec.get("beside")
    if "file" not in spec:
        spec["file"] = str(_found(root, spec["path"], Path(beside) if beside else None))
    found = Path(spec["file"])
    made = Path(spec["result"]).with_name(f"{found.stem}.py")
    made.write_text(_script_of(found, root), "utf-8")
    sys.path.insert(0, str(found.parent))
    runpy.run_path(str(made), init_globals=names, run_name="__main__")


def _script_of(notebook: Path, root: Path) -> str:
    cells = read(notebook.read_text("utf-8"), notebook.name)
    return script(cells, lambda name: _script_of(_found(root, name, notebook.parent), root))


def _found(root: Path, path: str, beside: Path | None) -> Path:
    found = notebook_on_disk(root, path, beside=beside)
    if found is None:
        raise NotebookError(f"notebook {path} does not exist in the workspace")
    return found


def _call_entry_point(package: str, name: str) -> None:
    """The one of the package's metadata, or a function of the package itself."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for point in importlib.metadata.distribution(package).entry_points:
            if point.name == name:
                point.load()()
                return
    getattr(importlib.import_module(package.replace("-", "_")), name)()


def _names_for(utilities: Utilities) -> dict[str, Any]:
    """What notebooks and files find without importing it."""
    spark = LazySpark()
    names = {
        "dbutils": utilities,
        "display": print,
        "displayHTML": print,
        "spark": spark,
        "sc": LazyContext(spark),
        "sql": lambda text: spark.sql(text),  # noqa: PLW0108  # the session is made by the first call
        "table": lambda name: spark.table(name),  # noqa: PLW0108  # the same
        "getArgument": lambda name, default="": utilities.widgets.getAll().get(name, default),
        "_cells": Cells(spark),
    }
    # Under its plain name: what is imported from there must be these very objects.
    UserNamespaceInitializer.getOrCreate().names.update(names)
    return names


def _told(error: BaseException) -> dict[str, str]:
    """The error in one line, and where it happened without the frames of this package."""
    frames = error.__traceback__
    while frames is not None and _is_ours(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    trace = "".join(traceback.format_exception(type(error), error, frames))
    sys.stderr.write(trace)
    return {
        "error": "".join(traceback.format_exception_only(type(error), error)).strip(),
        "error_trace": trace,
    }


def _is_ours(file: str) -> bool:
    return file.startswith((_HERE, "<frozen runpy>")) or os.path.basename(file) == "runpy.py"  # noqa: PTH119  # no file need be there


def _die_with_the_workspace(alive: int | None) -> None:
    """End this process and all it started when the other end of a pipe goes."""
    if alive is None:
        return

    def wait() -> None:
        os.read(alive, 1)
        family.kill(0, os.environ.get(family.MARK, ""), but=os.getpid())
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, name="workspace", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
