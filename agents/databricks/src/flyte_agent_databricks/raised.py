"""How the body of a task fails on Databricks: names that the agent reads in the run's error."""

from __future__ import annotations

raised_by_body: list[BaseException] = []
"""What the body of the task in this process raised; flytekit only writes it down as text."""


class TryAgain(Exception):  # what Databricks shows in front of the text
    """The task failed, and Flyte may try it again: the agent answers RETRYABLE_FAILED."""


class BodyNotRun(Exception):  # as above
    """Flyte did not get as far as the body, or could not take what it returned."""
