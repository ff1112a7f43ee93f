"""Every state, result, code and type that databricks-sdk lists has a meaning here, and news has one too."""

from __future__ import annotations

from typing import Any

import pytest
from databricks.sdk.service import jobs, sql

from flyte_agent_core import AgentError, Phase, RetryableError, TaskError
from flyte_agent_databricks import errors
from flyte_agent_databricks.failures import Verdict, is_undecided, verdict, with_retries
from flyte_agent_databricks.job_run import Run
from flyte_agent_databricks.phases import ENDED, PHASES, STATEMENT_PHASES, phase_of
from flyte_agent_databricks.statement_rows import _MAKERS


def words(enum: Any) -> set[str]:
    return {member.value for member in enum}


@pytest.mark.parametrize(
    ("enum", "table"),
    [
        (jobs.RunLifeCycleState, PHASES.states),
        (jobs.RunLifecycleStateV2State, PHASES.states),
        (jobs.RunResultState, set(errors.RESULTS)),
        (jobs.TerminationCodeCode, set(errors.TERMINATIONS)),
        (jobs.TerminationTypeType, set(errors.TYPES)),
        (sql.StatementState, STATEMENT_PHASES.states),
        (sql.ServiceErrorCode, set(errors.STATEMENT_ERRORS)),
        (sql.ColumnInfoTypeName, set(_MAKERS)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_word_of_the_sdk_is_known(enum: Any, table: set[str]) -> None:
    assert words(enum) <= table


def test_states_of_runs_that_ended_are_terminal() -> None:
    assert {state for state in PHASES.states if PHASES(state).is_terminal} == ENDED


def run(**resource: Any) -> Run:
    return Run({"run_id": 1, **resource})


def ended(
    result: str = "", code: str = "", kind: str = "", state: str = "TERMINATED", **more: Any
) -> Run:
    details = {name: word for name, word in (("code", code), ("type", kind)) if word}
    return run(
        state={"life_cycle_state": state, **({"result_state": result} if result else {})},
        status={"state": "TERMINATED", **({"termination_details": details} if details else {})},
        **more,
    )


@pytest.mark.parametrize("code", sorted(errors.TERMINATIONS))
@pytest.mark.parametrize("kind", ["", "CLIENT_ERROR", "CLOUD_FAILURE", "INTERNAL_ERROR", "SUCCESS"])
def test_every_code_is_a_phase_with_advice(code: str, kind: str) -> None:
    found = verdict(ended("FAILED", code, kind), strict=True)

    if code == "SUCCESS":
        assert found is None
        return
    assert found is not None
    assert found.advice
    assert issubclass(found.error, (TaskError, RetryableError))
    own_fault = code in errors.BY_TYPE and kind == "CLIENT_ERROR"
    assert found.error is (TaskError if own_fault else errors.TERMINATIONS[code].error)


@pytest.mark.parametrize("result", sorted(errors.RESULTS))
def test_every_result_without_a_code_is_a_phase(result: str) -> None:
    found = verdict(ended(result), strict=True)

    assert (found is None) == (result == "SUCCESS")
    assert found is None or found.error is errors.RESULTS[result].error


@pytest.mark.parametrize(
    ("phase", "run_"),
    [
        (None, ended("SUCCESS", "SUCCESS", "SUCCESS")),
        (None, ended("SUCCESS_WITH_FAILURES", "SUCCESS_WITH_FAILURES")),
        (Phase.RETRYABLE_FAILED, ended("FAILED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR")),
        (Phase.RETRYABLE_FAILED, ended("FAILED", "CLUSTER_ERROR", "CLOUD_FAILURE")),
        (Phase.FAILED, ended("FAILED", "CLUSTER_ERROR", "CLIENT_ERROR")),
        (Phase.FAILED, ended("FAILED", "A_NEW_CODE", "CLIENT_ERROR")),
        (Phase.RETRYABLE_FAILED, ended("FAILED", "A_NEW_CODE", "CLOUD_FAILURE")),
        (Phase.RETRYABLE_FAILED, ended("FAILED", "A_NEW_CODE", "A_NEW_TYPE")),
        (Phase.FAILED, ended("CANCELED", "USER_CANCELED", "CLIENT_ERROR")),
        (Phase.FAILED, ended("TIMEDOUT", "CANCELED", "CLIENT_ERROR")),
        (Phase.RETRYABLE_FAILED, ended(state="INTERNAL_ERROR")),
        (Phase.RETRYABLE_FAILED, ended(state="SKIPPED")),
    ],
)
def test_what_decides(phase: Phase | None, run_: Run) -> None:
    found = verdict(run_)

    assert (found and phase_of(run_.state, found.error("said"))) == phase


def test_a_word_that_nobody_knows_decides_nothing() -> None:
    assert is_undecided(ended("A_NEW_RESULT", "A_NEW_CODE", "A_NEW_TYPE"))
    assert is_undecided(ended())
    assert not is_undecided(run(state={"life_cycle_state": "A_NEW_STATE"}))
    assert PHASES("A_NEW_STATE") is Phase.RUNNING


def test_the_failed_task_says_more_than_the_run() -> None:
    task = ended("FAILED", "LIBRARY_INSTALLATION_ERROR", "CLIENT_ERROR", task_key="a").resource
    after = ended("UPSTREAM_FAILED", task_key="b").resource

    found = verdict(ended("FAILED", "RUN_EXECUTION_ERROR", "CLIENT_ERROR", tasks=[after, task]))

    assert found is not None
    assert found.word == "LIBRARY_INSTALLATION_ERROR"
    assert found.error is TaskError


def test_options_of_the_task_decide_about_code_and_cancels() -> None:
    code = Verdict(RetryableError, "RUN_EXECUTION_ERROR", "")
    cancel = Verdict(TaskError, "USER_CANCELED", "")

    assert with_retries(code, code_retries=False, adopted=False).error is TaskError
    assert with_retries(code, code_retries=True, adopted=False) is code
    assert with_retries(cancel, code_retries=True, adopted=True).error is RetryableError
    assert with_retries(cancel, code_retries=True, adopted=False) is cancel


def test_tables_name_only_kinds_of_errors() -> None:
    for table in (
        errors.TERMINATIONS,
        errors.RESULTS,
        errors.TYPES,
        errors.REFUSALS,
        errors.STATEMENT_ERRORS,
    ):
        assert all(issubclass(advice.error, AgentError) for advice in table.values())
