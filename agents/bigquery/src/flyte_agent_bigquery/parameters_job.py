"""The whole REST ``JobConfiguration`` of one attempt: the task's request with its SQL and inputs."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from .config_templates import fill
from .parameters import query_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .config import JobRequest


def job_configuration(request: JobRequest, sql: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what ``jobs.insert`` takes as ``configuration``, without the agent's own labels.

    Args:
        request: What the task asks for.
        sql: The query, verbatim; unused for other jobs.
        values: The attempt's decoded inputs.

    Raises:
        InvalidConfig: An input does not fit its type, or the place it is written to.
    """
    made = copy.deepcopy(request.configuration)
    if not request.is_query:
        return fill(made, values, request.parameters, request.project)
    query = made.setdefault("query", {})
    query["query"] = sql
    query.setdefault("useLegacySql", False)  # the API's default is legacy SQL
    given = query_parameters(
        values, request.parameters, request.parameter_order, request.parameter_mode
    )
    if given:
        query["queryParameters"] = [*(query.get("queryParameters") or []), *given]
        query["parameterMode"] = request.parameter_mode
    return made
