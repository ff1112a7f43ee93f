"""The entry point on Databricks: what it runs, what it writes, and how it fails."""

from __future__ import annotations

import contextlib
import gc
import io
import re
import sys
import tarfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flyteidl.core.errors_pb2 import ErrorDocument
from flyteidl.core.literals_pb2 import LiteralMap

from flyte_agent_core.inputs import decode_inputs
from flyte_agent_databricks import run_task
from flyte_agent_databricks.raised import BodyNotRun, TryAgain, raised_by_body
from flyte_agent_testing.templates import encode_inputs, task_template

CODE = """
import os
import pathlib
from flytekit import task
from flytekit.exceptions.user import FlyteRecoverableException
from flyte_agent_databricks import DatabricksJob

@task(task_config=DatabricksJob(spark=False))
def say(word: str) -> str:
    if word == "bad":
        raise ZeroDivisionError("nothing to divide")
    if word == "flaky":
        raise FlyteRecoverableException("the wind")
    return f"{word} {os.environ.get('MOOD')} {pathlib.Path('beside.txt').exists()}"

@task(task_config=DatabricksJob(on_code_failure="retry"))
def hopes(word: str) -> str:
    raise LookupError(word)

@task(task_config=DatabricksJob(spark=False))
def lies(word: str) -> int:
    return word
"""
COUNT = iter(range(1000))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Path]]:
    """Return what runs ``task`` of a module with the word given, and returns the prefix."""
    monkeypatch.setenv("FLYTE_FAIL_ON_ERROR", "")
    monkeypatch.setenv("MOOD", "")
    monkeypatch.syspath_prepend(str(tmp_path))

    def call(
        word: str,
        *options: str,
        task: str = "say",
        fast: bool = False,
        module: str = "",
        place: str = ".",
    ) -> Path:
        name = module or f"words_{next(COUNT)}"
        prefix = tmp_path / f"out-{name}"
        prefix.mkdir(exist_ok=True)
        template = task_template("t", inputs={"word": str})
        inputs = encode_inputs(template, {"word": word})
        (prefix / "inputs.pb").write_bytes(inputs.SerializeToString())
        command = [
            "pyflyte-execute", "--inputs", f"{prefix}/inputs.pb", "--output-prefix", str(prefix),
            "--raw-output-data-prefix", f"{prefix}/raw", "--checkpoint-path", f"{prefix}/c", "--prev-checkpoint", "",
            "--resolver", "flytekit.core.python_auto_container.default_task_resolver", "--",
            "task-module", name, "task-name", task,
        ]  # fmt: skip
        if fast:
            archive = tmp_path / f"{name}.tar.gz"
            pack(archive, {f"{name}.py": CODE, "beside.txt": "x"})
            command = [
                "pyflyte-fast-execute", "--additional-distribution", str(archive), "--dest-dir", place, "--", *command,
            ]  # fmt: skip
        elif not module:
            (tmp_path / f"{name}.py").write_text(CODE)
        run_task([*options, "--", *command])
        return prefix

    yield call
    raised_by_body.clear()
    with warnings.catch_warnings():  # flytekit leaves its socket for statistics to the collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def pack(archive: Path, files: dict[str, str]) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))


def outputs_in(prefix: Path) -> dict[str, Any]:
    return decode_inputs(LiteralMap.FromString((prefix / "outputs.pb").read_bytes()))


def error_in(folder: Path) -> Any:
    (path,) = folder.glob("out-*/error.pb")
    return ErrorDocument.FromString(path.read_bytes()).error


def test_it_runs_the_body_and_writes_what_it_returned(run: Any) -> None:
    assert outputs_in(run("hello", "--env", "MOOD=a=b")) == {"o0": "hello a=b False"}


def test_the_code_of_a_fast_registration_is_unpacked_where_the_body_runs(run: Any) -> None:
    before = (Path.cwd(), list(sys.path))
    assert outputs_in(run("hello", fast=True)) == {"o0": "hello  True"}
    assert (Path.cwd(), list(sys.path)) == before


def test_the_code_goes_where_the_registration_says_if_it_can(run: Any, tmp_path: Path) -> None:
    place = tmp_path / "root"
    place.mkdir()
    assert outputs_in(run("hello", fast=True, place=str(place))) == {"o0": "hello  True"}
    assert (place / "beside.txt").exists()


def test_a_notebooks_streams_are_no_files(run: Any) -> None:
    """flytekit's fault handler asks standard error for its number."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        assert outputs_in(run("hello")) == {"o0": "hello  False"}
        assert sys.stderr is said


def test_an_error_of_the_body_is_the_error(run: Any, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError, match="nothing to divide"):
        run("bad")
    written = error_in(tmp_path)
    assert written.kind == written.NON_RECOVERABLE
    assert "ZeroDivisionError: nothing to divide" in written.message


def test_what_flyte_calls_recoverable_says_so(run: Any, tmp_path: Path) -> None:
    with pytest.raises(TryAgain, match=r"FlyteRecoverableException.*the wind"):
        run("flaky")
    assert error_in(tmp_path).kind == 1


def test_every_error_of_a_task_that_wishes_so_is_recoverable(run: Any, tmp_path: Path) -> None:
    with pytest.raises(TryAgain, match="LookupError: x"):
        run("x", task="hopes")
    written = error_in(tmp_path)
    assert written.kind == written.RECOVERABLE
    assert "raise LookupError(word)" in written.message


def test_a_result_of_another_type_names_the_output(run: Any) -> None:
    with pytest.raises(BodyNotRun, match=r"(?s)Failed to convert outputs of task.*lies"):
        run("x", task="lies")


def test_a_missing_module_says_how_to_bring_the_code(run: Any) -> None:
    with pytest.raises(BodyNotRun, match=r"ModuleNotFoundError.*--copy all.*libraries"):
        run("x", module="nowhere_to_be_found")


@pytest.mark.parametrize("place", ["out-gone", "file/out"], ids=["no-inputs", "cannot-be-written"])
def test_storage_that_fails_is_tried_again(run: Any, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    prefix = tmp_path / place
    (tmp_path / "words_gone.py").write_text(CODE)
    with pytest.raises(TryAgain):
        run_task([
            "--", "pyflyte-execute", "--inputs", f"{prefix}/inputs.pb", "--output-prefix", str(prefix),
            "--raw-output-data-prefix", f"{prefix}/raw",
            "--resolver", "flytekit.core.python_auto_container.default_task_resolver", "--",
            "task-module", "words_gone", "task-name", "say",
        ])  # fmt: skip


def test_the_error_of_an_earlier_try_is_forgotten(run: Any, tmp_path: Path) -> None:
    (tmp_path / "again.py").write_text(CODE)
    with pytest.raises(ZeroDivisionError):
        run("bad", module="again")
    prefix = run("good", module="again")
    assert not (prefix / "error.pb").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "found '' as the command"),
        (["--", "sh", "-c", "id"], "found 'sh' as the command"),
        (["--env", "=x", "--", "pyflyte-execute"], "found '--env'"),
        (["--secret", "X=noscope", "--", "pyflyte-execute"], "found '--secret' 'X'"),
        (["--wrong", "x"], "found '--wrong'"),
    ],
)
def test_other_arguments_are_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(BodyNotRun, match=re.escape(words)):
        run_task(arguments)


def test_secrets_are_databricks_own(run: Any) -> None:
    with pytest.raises(RuntimeError, match="a secret of the task is kept by Databricks"):
        run("x", "--secret", "MOOD=scope/key")
    with pytest.raises(RuntimeError, match="a service credential of the task"):
        run("x", "--service-credential", "storage")
