"""
What a Databricks run starts to execute the body of a Flyte task: the wheel's entry point ``run_task``.

Its arguments, as the agent writes them::

    --env NAME=VALUE                an environment variable, on every kind of compute
    --secret NAME=scope/key         one whose value is in a Databricks secret scope
    --service-credential NAME       the AWS_* variables of a Unity Catalog service credential
    -- pyflyte-execute …            Flyte's own command, or pyflyte-fast-execute … around it

Flyte's command runs in this process, since the process is what Databricks gives the Spark session
to. It writes ``outputs.pb`` or ``error.pb`` where Flyte looks for them; an error is raised as well,
so that the run fails in Databricks with the same words.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from .raised import BodyNotRun, TryAgain, raised_by_body
from .runtime import read_secret, service_credential

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flyteidl.core.errors_pb2 import ContainerError

_EXECUTE, _FAST = "pyflyte-execute", "pyflyte-fast-execute"
_FAIL_ON_ERROR = "FLYTE_FAIL_ON_ERROR"
_USAGE = (
    "expected [--env NAME=VALUE]… [--secret NAME=scope/key]… [--service-credential NAME] "
    "-- pyflyte-execute …; the agent writes these arguments"
)


def run_task(argv: Sequence[str] | None = None) -> None:
    """
    Run the task that ``argv`` (``sys.argv`` if not given) describes; return when it succeeded.

    Raises:
        TryAgain: It failed, and Flyte calls it recoverable.
        BodyNotRun: Flyte could not get as far as the body: a module, the inputs or the outputs.
        Exception: What the body raised.
    """
    command = _prepare(list(sys.argv[1:] if argv is None else argv))
    if command[:1] == [_FAST]:
        location, wanted, command = _unpack(command[1:])
        with _code(location, wanted) as folder:
            _execute(_with_code(command, location, folder))
    else:
        _execute(command)


def _prepare(arguments: list[str]) -> list[str]:
    """Take our own arguments, and return Flyte's command."""
    while arguments and arguments[0] != "--":
        option, value = [*arguments, ""][:2]
        del arguments[:2]
        name, _, said = value.partition("=")
        if option == "--env" and name:
            os.environ[name] = said
        elif option == "--secret" and "/" in said:
            os.environ[name] = read_secret(*said.split("/", 1))
        elif option == "--service-credential" and value:
            os.environ.update(service_credential(value))
        else:
            raise BodyNotRun(f"run_task: found {option!r} {name!r}, {_USAGE}")
    command = arguments[1:]
    if command[:1] not in ([_EXECUTE], [_FAST]):
        raise BodyNotRun(f"run_task: found {' '.join(command[:1])!r} as the command, {_USAGE}")
    return command


def _unpack(arguments: list[str]) -> tuple[str, str, list[str]]:
    """Return where the code is, where it is to go, and the command it is for."""
    said = dict(zip(arguments[::2], arguments[1::2], strict=False))
    command = arguments[arguments.index(_EXECUTE) :]
    return said["--additional-distribution"], said.get("--dest-dir", ""), command


@contextlib.contextmanager
def _code(location: str, wanted: str) -> Iterator[str]:
    """Have the code of a fast registration in the working directory and importable."""
    from flytekit.tools.fast_registration import download_distribution

    # "." is a container's own folder; here it is whatever the cluster started us in.
    has_place = pathlib.Path(wanted).is_absolute() and os.access(wanted, os.W_OK)
    folder = wanted if has_place else tempfile.mkdtemp(prefix="flyte-code-")
    before = pathlib.Path.cwd()
    try:
        download_distribution(location, folder)
        os.chdir(folder)
        sys.path.insert(0, folder)
        yield folder
    finally:
        os.chdir(before)
        if folder in sys.path:
            sys.path.remove(folder)
        if not has_place:
            shutil.rmtree(folder, ignore_errors=True)


def _with_code(command: list[str], location: str, folder: str) -> list[str]:
    """Return the command, told where the code came from: a dynamic task passes it on."""
    at = command.index("--resolver")
    told = ["--dynamic-addl-distro", location, "--dynamic-dest-dir", folder]
    return [*command[:at], *told, *command[at:]]


def _execute(command: list[str]) -> None:
    prefix = command[command.index("--output-prefix") + 1]
    raised_by_body.clear()
    _forget_error(prefix)
    try:
        failed = _fails(command)
    except Exception as error:
        # Not the body's, which flytekit keeps to itself: the storage, mostly.
        raise TryAgain(f"{type(error).__name__}: {error}") from error
    if failed:
        raise _failure(prefix)


def _fails(command: list[str]) -> bool:
    from flytekit.bin.entrypoint import execute_task_cmd

    os.environ[_FAIL_ON_ERROR] = "true"
    try:
        with _stderr_with_number():
            execute_task_cmd.main(command[1:], prog_name=_EXECUTE, standalone_mode=False)
    except SystemExit as end:
        return bool(end.code)
    return False


def _failure(prefix: str) -> BaseException:
    """Return what to raise for the error that Flyte has written down."""
    written = _read_error(prefix)
    if written is None:
        return TryAgain(f"the task failed, and its error could not be written to {prefix}")
    words = _words(written)
    if written.kind == written.RECOVERABLE:
        return TryAgain(words)
    if raised_by_body:
        return raised_by_body[-1]
    return BodyNotRun(words + _repair(words))


def _words(written: ContainerError) -> str:
    """Return the one line ``Type: text`` at the end of flytekit's message."""
    _, found, after = written.message.rpartition("Message:\n")
    return str(after if found else written.message).strip()


def _repair(words: str) -> str:
    if not words.startswith(("ModuleNotFoundError", "ImportError")):
        return ""
    return (
        ". The module is not on the cluster: register with `pyflyte register --copy all` (or run "
        "with `pyflyte run --remote`), or give the task a wheel with it in `libraries`."
    )


def _read_error(prefix: str) -> ContainerError | None:
    from flyteidl.core.errors_pb2 import ErrorDocument
    from flytekit.core.context_manager import FlyteContextManager

    access = FlyteContextManager.current_context().file_access
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "error.pb")
        try:
            access.get_data(f"{prefix}/error.pb", str(path))
        except Exception:  # noqa: BLE001  # each store has its own; that there is none is the answer
            return None
        return ErrorDocument.FromString(path.read_bytes()).error


def _forget_error(prefix: str) -> None:
    """Remove the error of an earlier try of this run: Flyte would take it for this one's."""
    from flytekit.core.context_manager import FlyteContextManager

    access = FlyteContextManager.current_context().file_access
    files = access.get_filesystem_for_path(prefix)
    with contextlib.suppress(FileNotFoundError):
        if files.exists(f"{prefix}/error.pb"):
            files.rm(f"{prefix}/error.pb")


class _Numbered:
    """Standard error that has a file number: flytekit's fault handler asks for one."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def fileno(self) -> int:
        """The process's own."""
        return 2

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _stderr_with_number() -> Iterator[None]:
    """Cover for a notebook's streams, which are no files."""
    stream = sys.stderr
    try:
        stream.fileno()
    except (OSError, AttributeError):
        sys.stderr = _Numbered(stream)
    try:
        yield
    finally:
        sys.stderr = stream


if __name__ == "__main__":
    run_task()
