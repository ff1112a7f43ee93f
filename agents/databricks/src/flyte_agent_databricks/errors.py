"""
Databricks' codes, what Flyte should do about each, and what the reader of the message should do.

::

    TaskError       the task, its permissions or its workspace must change  -> FAILED
    RetryableError  the same run may pass later                            -> RETRYABLE_FAILED

:data:`TERMINATIONS` are those of a run that ended, :data:`RESULTS` its result states, :data:`REFUSALS` the
``error_code`` of a refused request. Requests are read in ``api_errors.py``; this module knows no library.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from flyte_agent_core import AgentError, RetryableError, TaskError

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "https://docs.databricks.com/api/workspace/jobs/getrun"
"""Where states and termination codes are listed; databricks-sdk's enums have them too."""


class Advice(NamedTuple):
    """One row of a table."""

    error: type[AgentError]
    text: str
    retry_after_s: float | None = None


_CODE = "The code of the task failed: correct it there. Flyte's retries say how often it is tried again."
_INTERNAL = (
    "Databricks failed by itself; the next attempt may pass. If it stays, tell Databricks' support."
)
_BUSY = "Too much at the same time in this workspace: the next attempt may pass; start fewer runs at once."
_CLUSTER = "See the cluster's event log. If its configuration is wrong, correct new_cluster."
_STOPPED = "Somebody cancelled the run at Databricks, so it is not started again. Run it again if that was a mistake."
_OVERLONG = "The run took longer than its timeout, or Databricks' limit: make it smaller, or raise its timeout_s."
_UPSTREAM = "A task that it depends on did not succeed: see that one."
_NOT_RUN = "The condition of the job was not met, or it was switched off: nothing ran."

TERMINATIONS: Mapping[str, Advice] = {
    "BREAKING_CHANGE": Advice(
        RetryableError,
        "The runtime changed under the run; Databricks says the next one gets a mitigation.",
    ),
    "BUDGET_POLICY_LIMIT_EXCEEDED": Advice(
        TaskError, "The budget policy has nothing left: raise it, or name another budget_policy_id."
    ),
    "CANCELED": Advice(TaskError, _OVERLONG),
    "CLOUD_FAILURE": Advice(
        RetryableError, "The cloud provider failed: the next attempt may pass."
    ),
    "CLUSTER_ERROR": Advice(RetryableError, _CLUSTER),
    "CLUSTER_REQUEST_LIMIT_EXCEEDED": Advice(RetryableError, _BUSY, 60.0),
    "DISABLED": Advice(TaskError, _NOT_RUN),
    "DRIVER_ERROR": Advice(
        RetryableError,
        "The Spark driver died, often for lack of memory: take a larger driver if it happens again.",
    ),
    "FEATURE_DISABLED": Advice(
        TaskError, "The workspace does not have this feature: have it enabled."
    ),
    "INTERNAL_ERROR": Advice(RetryableError, _INTERNAL),
    "INVALID_CLUSTER_REQUEST": Advice(TaskError, "Correct new_cluster, or its policy."),
    "INVALID_RUN_CONFIGURATION": Advice(TaskError, "Correct the configuration of the run."),
    "LIBRARY_INSTALLATION_ERROR": Advice(
        TaskError, "A library could not be installed: correct its name, version or repository."
    ),
    "MAX_CONCURRENT_RUNS_EXCEEDED": Advice(
        RetryableError,
        "The job has as many runs as it may: raise max_concurrent_runs, or switch its queue on.",
        60.0,
    ),
    "MAX_JOB_QUEUE_SIZE_EXCEEDED": Advice(
        RetryableError, "The job's queue is full: start fewer runs.", 60.0
    ),
    "MAX_SPARK_CONTEXTS_EXCEEDED": Advice(
        RetryableError,
        "The existing cluster runs as many contexts as it can: use a new cluster.",
        60.0,
    ),
    "REPOSITORY_CHECKOUT_FAILED": Advice(
        RetryableError,
        "The repository could not be read: check git_source and the git credentials if it stays.",
    ),
    "RESOURCE_NOT_FOUND": Advice(
        TaskError, "Something that the run names does not exist: check its paths and ids."
    ),
    "RUN_EXECUTION_ERROR": Advice(RetryableError, _CODE),
    "SKIPPED": Advice(TaskError, _NOT_RUN),
    "STORAGE_ACCESS_ERROR": Advice(
        RetryableError,
        "The storage could not be reached: check the rights of the cluster if it stays.",
    ),
    "SUCCESS": Advice(AgentError, ""),
    "SUCCESS_WITH_FAILURES": Advice(
        TaskError,
        "Some tasks failed, though every leaf succeeded; success_with_failures='succeed' accepts that.",
    ),
    "UNAUTHORIZED_ERROR": Advice(
        TaskError, "Grant the identity of the run access to what it uses."
    ),
    "USER_CANCELED": Advice(TaskError, _STOPPED),
    "WORKSPACE_RUN_LIMIT_EXCEEDED": Advice(RetryableError, _BUSY, 60.0),
    # Said of a cluster, in a run's termination message: https://docs.databricks.com/api/workspace/clusters/events
    "CLUSTER_TERMINATED_BY_USER": Advice(
        RetryableError, "Somebody stopped the cluster: the next attempt gets one."
    ),
}
"""``status.termination_details.code`` of a run or a task of it."""

RESULTS: Mapping[str, Advice] = {
    "CANCELED": Advice(TaskError, _STOPPED),
    "DISABLED": Advice(TaskError, _NOT_RUN),
    "EXCLUDED": Advice(TaskError, _NOT_RUN),
    "FAILED": Advice(RetryableError, _CODE),
    "MAXIMUM_CONCURRENT_RUNS_REACHED": TERMINATIONS["MAX_CONCURRENT_RUNS_EXCEEDED"],
    "SUCCESS": TERMINATIONS["SUCCESS"],
    "SUCCESS_WITH_FAILURES": TERMINATIONS["SUCCESS_WITH_FAILURES"],
    "TIMEDOUT": Advice(TaskError, _OVERLONG),
    "UPSTREAM_CANCELED": Advice(TaskError, _UPSTREAM),
    "UPSTREAM_FAILED": Advice(RetryableError, _UPSTREAM),
}
"""``state.result_state``, for runs that say no code."""

TYPES: Mapping[str, Advice] = {
    "CLIENT_ERROR": Advice(TaskError, "Correct the configuration of the run."),
    "CLOUD_FAILURE": TERMINATIONS["CLOUD_FAILURE"],
    "INTERNAL_ERROR": TERMINATIONS["INTERNAL_ERROR"],
    "SUCCESS": TERMINATIONS["SUCCESS"],
}
"""``status.termination_details.type``, for codes that this version does not know."""

BY_TYPE = frozenset({
    "CLUSTER_ERROR",
    "DRIVER_ERROR",
    "STORAGE_ACCESS_ERROR",
    "REPOSITORY_CHECKOUT_FAILED",
})
"""Codes that are the task's own fault when their type is CLIENT_ERROR."""

OF_CODE = frozenset({"RUN_EXECUTION_ERROR", "FAILED"})
"""Codes and results that say that the task's own code failed."""

LIFE_CYCLES: Mapping[str, Advice] = {
    "INTERNAL_ERROR": TERMINATIONS["INTERNAL_ERROR"],
    "SKIPPED": Advice(
        RetryableError,
        "Another run of the job was active: raise max_concurrent_runs, or switch its queue on.",
        60.0,
    ),
}
"""``state.life_cycle_state`` of runs that ended without a result."""

_SIGN_IN = (
    "The credentials are not accepted or have expired: renew the secret that the task names in 'credentials', or those "
    "of the agent service."
)
_GRANT = (
    "Grant the identity of the agent (or the task's credentials) the right: 'Can Manage Run' on the job, 'Can Restart' "
    "on the cluster, 'Can Use' on the warehouse, or cluster creation."
)
_CORRECT = "Correct the configuration of the task."
_MISSING = (
    "Check the ids, names and paths that the task gives, and that 'host' is the right workspace."
)
_LATER = "The same request may pass later."

REFUSALS: Mapping[str, Advice] = {
    "ABORTED": Advice(RetryableError, _LATER),
    "ALREADY_EXISTS": Advice(TaskError, _CORRECT),
    "BAD_REQUEST": Advice(TaskError, _CORRECT),
    "CANCELLED": Advice(RetryableError, _LATER),
    "COULD_NOT_ACQUIRE_LOCK": Advice(RetryableError, _LATER),
    "DATA_LOSS": Advice(RetryableError, _INTERNAL),
    "DEADLINE_EXCEEDED": Advice(RetryableError, _LATER),
    "FEATURE_DISABLED": TERMINATIONS["FEATURE_DISABLED"],
    "INTERNAL_ERROR": Advice(RetryableError, _INTERNAL),
    "INVALID_PARAMETER_VALUE": Advice(TaskError, _CORRECT),
    "INVALID_STATE": Advice(TaskError, _CORRECT),
    "MALFORMED_REQUEST": Advice(TaskError, _CORRECT),
    "NOT_FOUND": Advice(TaskError, _MISSING),
    "NOT_IMPLEMENTED": Advice(TaskError, "The workspace does not offer this: use something else."),
    "PERMISSION_DENIED": Advice(TaskError, _GRANT),
    "QUOTA_EXCEEDED": Advice(
        RetryableError, "The workspace's quota for runs is used up: wait, or start fewer.", 600.0
    ),
    "REQUEST_LIMIT_EXCEEDED": Advice(RetryableError, _BUSY),
    "RESOURCE_ALREADY_EXISTS": Advice(TaskError, _CORRECT),
    "RESOURCE_CONFLICT": Advice(RetryableError, _LATER),
    "RESOURCE_DOES_NOT_EXIST": Advice(TaskError, _MISSING),
    "RESOURCE_EXHAUSTED": Advice(RetryableError, _BUSY),
    "TEMPORARILY_UNAVAILABLE": Advice(RetryableError, _LATER),
    "TOO_MANY_REQUESTS": Advice(RetryableError, _BUSY),
    "UNAUTHENTICATED": Advice(TaskError, _SIGN_IN),
    "UNKNOWN": Advice(RetryableError, _INTERNAL),
    "WORKER_ENVIRONMENT": Advice(RetryableError, _LATER),
}
"""``error_code`` of a refused request, or what its status is called in ``databricks.sdk.errors``."""

# Messages that databricks-sdk retries whatever their code is: databricks/sdk/_base_client.py, _is_retryable.
_PASSING = re.compile(
    r"worker environment|ClusterNotReadyException|try again later|RPC token bucket limit|job creations per \d+ seconds"
)
_GONE = re.compile(r"(?i)\brun\b.*\b(?:does not exist|not found|was deleted)|no run with")
_DELETED = re.compile(
    r"(?i)idempotency.*(?:deleted|no longer)|(?:deleted|no longer).*idempotency|token.*deleted"
)


class RunDeleted(RetryableError):
    """The run of this token was deleted: Databricks makes no other one under it."""

    default_code = "DATABRICKS.RUN_DELETED"


def advise(code: str, message: str) -> Advice:
    """Return what to do about a refused request."""
    if _PASSING.search(message):
        return Advice(RetryableError, _LATER)
    return REFUSALS.get(code) or Advice(TaskError, _CORRECT)


def says_gone(code: str, message: str) -> bool:
    """Whether a refusal says that there is no such run; Databricks does so with 400 as well as with 404."""
    return code in ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND") or (
        code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST") and _GONE.search(message) is not None
    )


def says_deleted(message: str) -> bool:
    """Whether a refusal says that the run of an idempotency token was deleted."""
    return _DELETED.search(message) is not None


def code_of(name: str) -> str:
    """Return the stable code of a name of Databricks': ``CLUSTER_ERROR`` is ``DATABRICKS.CLUSTER_ERROR``."""
    return "DATABRICKS." + (re.sub(r"[^A-Z0-9_]+", "_", name.upper())[:60].strip("_") or "ERROR")


_WRONG_SQL = "Correct the SQL and register the task again."

STATEMENT_ERRORS: Mapping[str, Advice] = {
    "ABORTED": Advice(RetryableError, _LATER),
    "ALREADY_EXISTS": Advice(TaskError, _WRONG_SQL),
    "BAD_REQUEST": Advice(TaskError, _WRONG_SQL),
    "CANCELLED": Advice(TaskError, _STOPPED),
    "DEADLINE_EXCEEDED": Advice(
        TaskError, "The statement took too long: make it smaller, or raise STATEMENT_TIMEOUT."
    ),
    "INTERNAL_ERROR": Advice(RetryableError, _INTERNAL),
    "IO_ERROR": Advice(RetryableError, _LATER),
    "NOT_FOUND": Advice(TaskError, _MISSING),
    "RESOURCE_EXHAUSTED": Advice(RetryableError, _BUSY, 60.0),
    "SERVICE_UNDER_MAINTENANCE": Advice(RetryableError, _LATER, 60.0),
    "TEMPORARILY_UNAVAILABLE": Advice(RetryableError, _LATER),
    "UNAUTHENTICATED": Advice(TaskError, _SIGN_IN),
    "UNKNOWN": Advice(RetryableError, _INTERNAL),
    "WORKSPACE_TEMPORARILY_UNAVAILABLE": Advice(RetryableError, _LATER, 60.0),
}
"""``status.error.error_code`` of a statement that failed."""
