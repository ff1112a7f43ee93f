"""Defects of tables, of how the agent is packaged, and of how the kit is used."""

from __future__ import annotations

from typing import Any

import pytest
from kit_reference import suites, words
from kit_reference.core_agent import CoreAgent
from kit_reference.raw_agent import RawAgent
from kit_reference.vendor import STATES, Throttled

from flyte_agent_core import AgentError, PhaseTable
from flyte_agent_testing.conformance.checks import check

from . import seen
from .mutant import caught_by

WITHOUT_QUEUED = PhaseTable(
    {state: words.PHASES(state) for state in STATES if state != "queued"}, source="nowhere"
)
WITHOUT_THROTTLED = {
    error: meaning for error, meaning in words.ERRORS.items() if error is not Throttled
}


@caught_by("every_vendor_state_has_a_phase", "every_vendor_state_is_answered")
class LacksAState(suites.Async):
    """Has no row for a state that the vendor documents."""

    phases = WITHOUT_QUEUED


@caught_by("every_vendor_error_is_mapped")
class LacksAnError(suites.Async):
    """Has no row for an error that the vendor documents."""

    errors = WITHOUT_THROTTLED


@caught_by("every_vendor_error_is_mapped")
class MeansNothingByAnError(suites.Async):
    """Maps an error of the vendor to the base of all errors."""

    errors = {**words.ERRORS, Throttled: AgentError}


@caught_by("task_type_can_be_served")
class ServesVersionOne(RawAgent):
    """Registers version 1 of its task type."""

    version = 1


@caught_by("task_type_can_be_served", "plugin_registers_the_agent", seen_in=seen.SPARK)
class ClaimsSpark(CoreAgent):
    """Claims a task type that a Kubernetes plugin has."""

    task_type = "spark"


@caught_by("task_type_can_be_served")
class HasNoName(RawAgent):
    """Keeps the name of the base class."""

    name = "Base Async Connector"


@caught_by("plugin_loads_no_vendor_sdk", plugin_module="kit_mutants.eager_plugin")
class LoadsTheSdkAtOnce(CoreAgent):
    """Imports the vendor's SDK in its plugin module."""


@caught_by("plugin_registers_the_agent", plugin_module="kit_mutants.raising_plugin")
class RaisesOnImport(CoreAgent):
    """Raises in its plugin module when something optional is not there."""


@caught_by("overrides_are_declared")
class LeavesACheckOut(suites.Async):
    """Overrides a check that the agent does not pass."""

    def test_delete_stops_the_job(self) -> None:
        return


@caught_by("overrides_are_declared")
class RewritesACheck(suites.Async):
    """Overrides a check with a check of its own."""

    @check
    def test_delete_stops_the_job(self) -> None:
        """
        Nothing holds.

        Flyte: knows better.

        Troubleshooting: none.
        """


@caught_by("overrides_are_declared")
class SkipsACheck(suites.Async):
    """Skips a check, for a reason that is not checked again."""

    @pytest.mark.skip(reason="fails on Fridays")
    def test_delete_stops_the_job(self, bench: Any) -> None:
        super().test_delete_stops_the_job(bench=bench)


@caught_by("overrides_are_declared")
class ExpectsAFailureForNoReason(suites.Async):
    """Marks a check as failing, without a reason."""

    @pytest.mark.xfail(strict=True)
    def test_delete_stops_the_job(self, bench: Any) -> None:
        pytest.fail(f"{bench} does not stop it")
