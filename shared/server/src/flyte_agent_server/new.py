"""
A new agent package from the template of flyte-agent-testing: ``flyte-agent new``.

Inside this project's own repository the package joins the others, and the root files that name
every package get its name; anywhere else it becomes a project with checks of its own.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Mapping

KINDS = ("async", "sync", "sensor")

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TAKEN = {"core", "server", "testing"}
_LONGEST = 30  # it stands in file names, and in lines of code


class NewAgentError(ServiceError):
    """The package cannot be made; the message says what to change."""


@dataclasses.dataclass(frozen=True)
class Made:
    """
    A package that was made.

    Attributes:
        folder: Where it is.
        answers: What it was made with, ``module`` and ``cls`` among them.
        repository: The root it became a part of, if it did.
        changed: Files of that root that were changed or added, from the root.
    """

    folder: Path
    answers: Mapping[str, Any]
    repository: Path | None
    changed: tuple[str, ...] = ()


def create(name: str, said: Mapping[str, str], where: Path, *, asking: bool = False) -> Made:
    """
    Make a package.

    Args:
        name: What follows ``flyte-agent-`` in its name.
        said: Answers given already, by the names of the template's questions.
        where: Folder that the package's folder is made in; in the repository any folder of it.
        asking: Ask on the terminal for what was not said, instead of taking the defaults.

    Raises:
        NewAgentError: The name or an answer is not possible, or there is such a folder already.
    """
    must_be_possible(name)
    source = template()
    from . import new_member

    root = new_member.root_of(where)
    folder = root / "agents" / name if root else where / f"flyte-agent-{name}"
    page = root / "docs" / "reference" / f"{name}.md" if root else folder
    for path in (folder, page):
        if path.exists():
            raise NewAgentError(
                f"{path} is there already: nothing was changed; choose another name, or move it away"
            )
    data = {**said, "name": name, **_facts(root, folder)}
    answers = render(source, root or folder, data, asking=asking)
    licence = root / "LICENSE" if root else None
    (folder / "LICENSE").write_text(licence.read_text() if licence else _licence())
    changed = new_member.join(root, answers) if root else ()
    tidy(folder, root or folder)
    return Made(folder, answers, root, changed)


def must_be_possible(name: str) -> None:
    """
    Go on if a package may have this name.

    Raises:
        NewAgentError: It may not.
    """
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise NewAgentError(
            f"NAME: found {name!r}, expected at most {_LONGEST} lower-case letters and digits, words "
            "joined with '-', such as 'weather' or 's3-sensor'"
        )
    if name in _TAKEN:
        raise NewAgentError(f"NAME: flyte-agent-{name} is a part of this project; choose another")


def template() -> Path:
    """
    Return the folder of the template.

    Raises:
        NewAgentError: What makes packages is not installed.
    """
    missing = [m for m in ("copier", "tomlkit", "ruff") if importlib.util.find_spec(m) is None]
    kit = importlib.util.find_spec("flyte_agent_testing")
    if missing or kit is None or kit.origin is None:
        raise NewAgentError(
            f"`flyte-agent new` needs {', '.join(missing) or 'flyte-agent-testing'}, which is not "
            "installed: pip install 'flyte-agent-server[new]'"
        )
    return Path(kit.origin).parent / "template"


def render(source: Path, target: Path, data: dict[str, Any], *, asking: bool) -> dict[str, Any]:
    """
    Write the files of the template ``source`` below ``target``; return all answers.

    Raises:
        NewAgentError: An answer is not possible.
        KeyboardInterrupt: The user broke off; nothing was written.
    """
    import copier

    try:
        worker = copier.run_copy(
            str(source), target, data=data, defaults=not asking, quiet=True, overwrite=True
        )
    except copier.errors.CopierAnswersInterrupt as stopped:
        raise KeyboardInterrupt from stopped
    except (copier.errors.UserMessageError, ValueError) as error:
        raise NewAgentError(f"{_as_option(str(error))}; nothing was made") from error
    return dict(worker.answers.combined)


def _as_option(message: str) -> str:
    """Return what copier says about a question as what people say about an option."""
    found = re.fullmatch(r"(?s)Validation error for question '(\w+)': (.*)", message)
    return f"--{found[1].replace('_', '-')}: {found[2]}" if found else message


def tidy(folder: Path, root: Path) -> None:
    """Sort imports and break lines, which depend on how long the names are, by the rules of ``root``."""
    path = str(folder.relative_to(root))
    for command in (["check", "--fix", "--exit-zero"], ["format"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--quiet", "--no-cache", path]
        done = subprocess.run(ruff, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603  # our own words
        if done.returncode:
            raise NewAgentError(f"ruff could not tidy {folder}: {done.stderr.strip()}")


def _facts(root: Path | None, folder: Path) -> dict[str, Any]:
    """Return the template's data that nobody is asked for."""
    return {
        "folder": folder.relative_to(root).as_posix() if root else ".",
        "in_repository": root is not None,
        "core_bound": _bound("flyte-agent-core"),
        "testing_bound": _bound("flyte-agent-testing"),
        "template_version": importlib.metadata.version("flyte-agent-testing"),
    }


def _bound(distribution: str) -> str:
    """Return the versions that are like the installed one: while they begin with 0, minor ones break."""
    major, minor = map(int, importlib.metadata.version(distribution).split(".")[:2])
    above = f"0.{minor + 1}" if major == 0 else str(major + 1)
    return f">={major}.{minor},<{above}"


def _licence() -> str:
    """Return the text of the licence this project has, which new ones begin with."""
    text = importlib.metadata.distribution("flyte-agent-testing").read_text("licenses/LICENSE")
    return text or "Apache License, Version 2.0: https://www.apache.org/licenses/LICENSE-2.0\n"
