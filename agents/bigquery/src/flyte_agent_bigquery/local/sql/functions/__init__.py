"""The functions whose answers are verified: one table for each family.

A function that is in none of them is refused. ``tests/local/test_functions.py`` has a case for each, with the answer
that BigQuery's documentation gives.
"""

from __future__ import annotations

from functools import cache

from flyte_agent_bigquery.local.sql.signatures import Signature, table

from . import arrays, bytes_, dates, json_, numbers, strings


@cache
def signatures() -> dict[str, list[Signature]]:
    """All tables in one."""
    found: dict[str, list[Signature]] = {}
    for module in (arrays, bytes_, dates, json_, numbers, strings):
        for name, overloads in table(module.TABLE).items():
            found.setdefault(name, []).extend(overloads)
    return found
