"""The kit's own tools: how checks explain themselves, what they skip, and what adopters must say."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from flyteidl.admin.agent_pb2 import Resource

from flyte_agent_core import Phase
from flyte_agent_testing.conformance import (
    AsyncAgentConformance,
    answers,
    checks,
    heartbeat,
    packaging,
    records,
)
from flyte_agent_testing.conformance.literal_types import fits, misfits
from flyte_agent_testing.conformance.replica import Replica
from flyte_agent_testing.literals import literal, literal_map, literal_type
from flyte_agent_testing.templates import task_template

ADOPTER = """
import pytest
from kit_reference import suites
from kit_reference.core_agent import CoreAgent
from kit_reference.vendor import Vendor
from flyte_agent_testing.templates import create_request, task_template

class Careless(CoreAgent):
    async def delete(self, resource_meta):
        return

class TestPlain(suites.Async):
    agent_type = Careless

class TestDeclared(suites.Async):
    agent_type = Careless

    @pytest.mark.xfail(strict=True, reason="the vendor cannot stop jobs")
    def test_delete_stops_the_job(self, bench):
        super().test_delete_stops_the_job(bench)

class TestRepaired(TestDeclared):
    agent_type = CoreAgent

class TestWeak(suites.Async):
    can_cancel = has_links = has_request_id = carries_values = uses_clock = False
    tells_requests_apart = False
    recorded_metas = None
    vendor_states = vendor_errors = ()
    plugin_module = ""

class TestEmpty(suites.AsyncAgentConformance):
    agent_type = CoreAgent

class TestTaskless(TestEmpty):
    @pytest.fixture
    def backend(self):
        return Vendor()

class TestPoor(TestTaskless):
    @pytest.fixture
    def task(self):
        return create_request(task_template("kit_reference"))
"""


class Outcomes:
    """What became of each test of a run of pytest."""

    def __init__(self) -> None:
        self.by_test: dict[tuple[str, str], str] = {}
        self.texts: dict[tuple[str, str], str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        _, suite, test = report.nodeid.split("::")
        if report.when == "call" or report.outcome != "passed":
            self.by_test[suite, test] = report.outcome
            self.texts[suite, test] = report.longreprtext


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: Any) -> Outcomes:
    folder = tmp_path_factory.mktemp("adopter")
    (folder / "test_adopter.py").write_text(ADOPTER)
    found = Outcomes()
    wanted = "TestWeak or delete_stops or overrides_are or text_arrives or mistakes_of"
    options = ["-c", "/dev/null", "-pno:cacheprovider", "-pno:terminal", "--assert=plain"]
    options += ["-k", wanted]
    pytest.main([str(folder), *options, f"--rootdir={folder}"], plugins=[found])
    return found


def test_a_failure_says_what_happened_what_flyte_does_and_how_to_repair_it(outcomes):
    text = outcomes.texts["TestPlain", "test_delete_stops_the_job"]
    rule = AsyncAgentConformance.test_delete_stops_the_job.rule

    assert text.splitlines() == [
        "When delete has answered, the job has stopped.",
        "",
        "  The agent: answered delete while the job was running",
        f"  Flyte:     {rule.flyte}",
        f"  Repair:    {rule.repair}",
        "  Check:     test_delete_stops_the_job",
    ]


def test_an_override_with_the_mark_is_accepted_until_the_agent_is_repaired(outcomes):
    test, rule = "test_delete_stops_the_job", "test_overrides_are_declared"

    assert outcomes.by_test["TestDeclared", test] == "skipped"
    assert outcomes.by_test["TestDeclared", rule] == "passed"
    assert outcomes.by_test["TestRepaired", test] == "failed"
    assert "XPASS(strict)" in outcomes.texts["TestRepaired", test]


def test_what_a_vendor_cannot_do_is_skipped_and_what_was_not_said_is_asked_for(outcomes):
    weak = {
        test: outcome for (suite, test), outcome in outcomes.by_test.items() if suite == "TestWeak"
    }
    skipped = {test for test, outcome in weak.items() if outcome == "skipped"}
    failed = {test for test, outcome in weak.items() if outcome == "failed"}

    assert {"test_delete_stops_the_job", "test_vanished_job_ends"} < skipped
    assert {"test_links_from_the_first_answer", "test_text_arrives_verbatim"} < skipped
    assert failed == {
        "test_every_vendor_error_is_mapped",
        "test_every_vendor_state_has_a_phase",
        "test_plugin_registers_the_agent",
        "test_plugin_loads_no_vendor_sdk",
        "test_recorded_metadata_is_read",
    }
    reason = outcomes.texts["TestWeak", "test_delete_stops_the_job"]
    assert "TestWeak says can_cancel = False" in reason


@pytest.mark.parametrize(
    ("suite", "test", "name"),
    [
        ("TestEmpty", "test_delete_stops_the_job", "backend"),
        ("TestTaskless", "test_delete_stops_the_job", "task"),
        ("TestPoor", "test_text_arrives_verbatim", "carrying"),
        ("TestPoor", "test_mistakes_of_the_user_do_not_use_up_retries", "broken_tasks"),
    ],
)
def test_a_fixture_that_is_missing_is_described(outcomes, suite, test, name):
    assert f"{suite} needs a fixture `{name}`: " in outcomes.texts[suite, test]


def test_a_check_needs_the_three_sections():
    def test_something(self: Any) -> None:
        """Something holds."""

    with pytest.raises(TypeError, match="needs a rule, then `Flyte:` and `Troubleshooting:`"):
        checks.check(test_something)


def test_an_agent_that_raises_is_shown_with_its_traceback():
    @checks.check
    def test_it(self: Any) -> None:
        """
        It does not raise.

        Flyte: does.

        Troubleshooting: do not.
        """
        raise checks.AgentRaised("get", "KeyError: 'x'") from KeyError("x")

    with pytest.raises(AssertionError, match="The agent: get raised KeyError: 'x'") as caught:
        test_it(None)
    assert isinstance(caught.value.__cause__, KeyError)


class Meta:
    """Metadata of an agent that is written on nothing."""

    decode = staticmethod(bytes.decode)


class Plain:
    """An agent whose methods block, as flytekit's own do."""

    metadata_type = Meta
    freed = threading.Event()

    def get(self, resource_meta: str) -> Any:
        raise KeyError(resource_meta)

    def delete(self, resource_meta: str) -> None:
        self.freed.wait(10.0)


def test_an_agent_that_blocks_gets_threads():
    replica = Replica(Plain(), slack_s=0.01)

    with pytest.raises(checks.AgentRaised, match="get raised KeyError: 'meta'") as caught:
        asyncio.run(replica.get(b"meta"))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(checks.Broken, match="had not answered delete 0"):
        asyncio.run(replica.delete(b"meta", deadline_s=0.01))
    Plain.freed.set()


def test_a_phase_that_flyte_does_not_have_is_no_answer():
    with pytest.raises(checks.Broken, match="answered phase 0"):
        answers.Answer.of(Resource(phase=0))
    assert str(answers.Answer.of(Resource(phase=2))) == "RUNNING"
    assert answers.Answer.of(Resource(phase=3)).phase is Phase.SUCCEEDED


def test_the_heart_says_where_the_loop_stood():
    freed = threading.Event()

    async def scenario() -> str:
        async with heartbeat.Heartbeat(0.05, freed.set) as heart:
            freed.wait(10.0)
            return heart.stood_at

    assert asyncio.run(scenario()).startswith(f"scenario ({__file__}:")


def test_a_loop_that_goes_on_has_a_heart():
    async def scenario() -> str:
        ends_s = time.monotonic() + 0.1
        async with heartbeat.Heartbeat(0.5, lambda: None) as heart:
            while time.monotonic() < ends_s:
                await asyncio.sleep(0)
            return heart.stood_at

    assert not asyncio.run(scenario())


def test_loggers_that_keep_to_themselves_are_recorded_too():
    import logging

    quiet = logging.getLogger("kit_quiet_logger")
    quiet.propagate, level = False, quiet.level
    with records.recorded() as found:
        quiet.debug("said %s", "softly")
        quiet.error("said", "wrongly")

    assert found.texts == ["kit_quiet_logger DEBUG said softly"]
    assert "logs 'said' with ('wrongly',)" in found.broken[0]
    assert quiet.level == level


@pytest.mark.parametrize(
    ("value", "kind", "other"),
    [
        (1, int, str),
        (1.5, float, int),
        ([1, 2], list[int], list[str]),
        ({"a": 1}, dict[str, int], dict[str, str]),
        ({"a": 1}, dict, int),
        (None, type(None), str),
        (3, int | str, bool | float),
    ],
)
def test_literals_fit_their_type_and_no_other(value, kind, other):
    declared = literal_type(kind)

    assert fits(literal(value, declared), declared)
    assert not fits(literal(value, declared), literal_type(other))


def test_misfits_are_named():
    interface = task_template("t", outputs={"a": int, "b": str}).interface
    outputs = literal_map({"a": "one", "c": 1})

    found = "; ".join(misfits(outputs, interface))

    assert "'a' is scalar" in found
    assert "'b' is missing" in found
    assert "'c' is not declared" in found


def test_a_plugin_that_cannot_be_looked_at_is_an_error(monkeypatch):
    monkeypatch.setenv("PYTHONMALLOC", "nonsense")

    with pytest.raises(RuntimeError, match="flytekit cannot be imported in a process of its own"):
        packaging.import_alone("kit_reference.nothing")
