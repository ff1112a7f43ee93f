"""How the agent gets into a service: its task type, its plugin module, and how the suite itself is used."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from .base import Conformance
from .checks import check, expect, rules_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Propeller runs these itself; it does not start if two plugins claim one (flyte v1.16.8, nodes/task/handler.go).
KUBERNETES_TYPES = frozenset({
    "container",
    "container_array",
    "dask",
    "echo",
    "mpi",
    "python-task",
    "pytorch",
    "ray",
    "raw-container",
    "sidecar",
    "spark",
    "tensorflow",
})

_IMPORTED_ALONE = """
import importlib, importlib.metadata, json, sys, traceback
found = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda **of: () if of.get("group") == "flytekit.plugins" else found(**of)
import flytekit
from flytekit.extend.backend.base_connector import ConnectorRegistry
before, error = set(sys.modules), ""
try:
    module = importlib.import_module(sys.argv[1])
    importlib.reload(module)
except BaseException:
    error = traceback.format_exc()
types = [category.name for category in ConnectorRegistry._REGISTRY]
print("\\n" + json.dumps({"error": error, "types": types, "loaded": sorted(set(sys.modules) - before)}))
"""


class PackageChecks(Conformance):
    """What can be seen without calling the agent."""

    @pytest.fixture
    def plugin_report(self) -> Mapping[str, Any]:
        """What importing the plugin module did, in a process of its own; see :func:`import_alone`."""
        return import_alone(self.plugin_module) if self.plugin_module else {}

    @check
    def test_task_type_can_be_served(self, make_agent: Callable[[], Any]) -> None:
        """
        The agent has a name, and a task type of version 0 that belongs to nobody else.

        Flyte: keeps one version per task type, and does not start when two of its plugins claim one
        type.

        Troubleshooting: set `name` and `task_type`; keep version 0; stay away from the types of
        Kubernetes plugins.
        """
        agent = make_agent()
        category = agent.task_category
        expect(category.version == 0, f"serves version {category.version} of {category.name!r}")
        expect(category.name, "serves a task type without a name")
        expect(
            category.name not in KUBERNETES_TYPES,
            f"claims {category.name!r}, a Kubernetes plugin's",
        )
        is_named = agent.name and not agent.name.startswith("Base ")
        expect(is_named, f"is called {agent.name!r}, which is nothing of its own")

    @check
    def test_plugin_registers_the_agent(
        self, make_agent: Callable[[], Any], plugin_report: Mapping[str, Any]
    ) -> None:
        """
        Importing the plugin module registers the agent, raises nothing, and may happen twice.

        Flyte: flytekit imports it during `import flytekit` with nothing around it; what it raises
        stops the whole service, and every workflow that imports flytekit.

        Troubleshooting: call `register(YourAgent)` in the module, and nothing that can fail.
        """
        expect(plugin_report, "was not tried: name the module in `plugin_module`")
        last = plugin_report["error"].strip().rpartition("\n")[2]
        expect(not plugin_report["error"], f"raised when {self.plugin_module} was imported: {last}")
        name = make_agent().task_category.name
        expect(
            name in plugin_report["types"],
            f"does not serve {name!r} after {self.plugin_module} was imported",
        )

    @check
    def test_plugin_loads_no_vendor_sdk(self, plugin_report: Mapping[str, Any]) -> None:
        """
        Importing the plugin module does not import the vendor's SDK.

        Flyte: everybody who imports flytekit pays for it, in seconds of start-up and in
        dependencies that must agree.

        Troubleshooting: import the SDK in one module (client.py), and that one inside the functions
        that use it.
        """
        expect(plugin_report, "was not tried: name the module in `plugin_module`")
        loaded = plugin_report["loaded"]
        heavy = [m for m in self.vendor_modules if any(f"{x}.".startswith(f"{m}.") for x in loaded)]
        expect(not heavy, f"imported {', '.join(heavy)} when {self.plugin_module} was imported")

    @check
    def test_overrides_are_declared(self, request: pytest.FixtureRequest) -> None:
        """
        A check is left out only as `xfail(strict=True)` with a reason.

        Flyte: knows nothing of it; but whoever reads that an agent passes the kit must be able to
        rely on it.

        Troubleshooting: mark the override `@pytest.mark.xfail(strict=True, reason="…")` and call
        the check it overrides; once the agent passes, the mark itself fails.
        """
        wrong = [*self._overridden(), *self._left_out(request)]
        expect(not wrong, f"leaves checks out: {'; '.join(wrong)}")

    def _overridden(self) -> Iterator[str]:
        cls = type(self)
        for rule in rules_of(cls):
            test = getattr(cls, rule.name)
            is_ours = getattr(test, "__module__", "").startswith(f"{__package__}.")
            if not is_ours and not _is_declared(getattr(test, "pytestmark", [])):
                yield f"{rule.name} is overridden without the mark"

    def _left_out(self, request: pytest.FixtureRequest) -> Iterator[str]:
        names = {rule.name for rule in rules_of(type(self))}
        for item in request.session.items:
            if getattr(item, "cls", None) is type(self) and item.name in names:
                for mark in item.iter_markers():
                    if mark.name in {"skip", "skipif"}:
                        yield f"{item.name} is marked {mark.name}"
                    elif mark.name == "xfail" and not _is_declared([mark]):
                        yield f"{item.name} is marked xfail without strict=True and a reason"


def _is_declared(marks: list[pytest.Mark]) -> bool:
    failing = [mark for mark in marks if mark.name == "xfail"]
    return any(m.kwargs.get("strict") is True and m.kwargs.get("reason") for m in failing)


@functools.cache
def import_alone(module: str) -> Mapping[str, Any]:
    """
    Import a plugin module in a process of its own, beside flytekit without its other plugins.

    Returns:
        ``error``: traceback, empty if there was none; ``types``: task types that are served then;
        ``loaded``: names of the modules that were imported.
    """
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _IMPORTED_ALONE, module]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)  # noqa: S603  # our own code
    if done.returncode:
        raise RuntimeError(f"flytekit cannot be imported in a process of its own:\n{done.stderr}")
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
