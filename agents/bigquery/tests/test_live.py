"""The agent at BigQuery, with Application Default Credentials; reads no table, so it costs nothing."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_core.clock import SystemClock

PROJECT = os.environ.get("FLYTE_AGENT_LIVE_BIGQUERY_PROJECT", "")
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(
        not PROJECT,
        reason="needs FLYTE_AGENT_LIVE_BIGQUERY_PROJECT, a project for queries, and Application Default Credentials",
    ),
]


@pytest.fixture
def live(bench_of: Callable[[Any, Any], Any]) -> Any:
    return bench_of(None, SystemClock())


def start(live: Any, sql: str, custom: dict[str, Any] | None = None, **said: Any) -> Any:
    prefix = said.pop("prefix", f"s3://flyte-agent-live/{uuid.uuid4().hex}/0")
    return live.create({"project": PROJECT, **(custom or {})}, sql=sql, prefix=prefix, **said)


def test_a_query_gives_a_value(live: Any) -> None:
    typed = {"parameters": {"n": {"type": "INT64"}}, "parameter_order": ["n"], "result": "scalar"}
    values = {"inputs": {"n": int}, "values": {"n": 41}, "outputs": {"o0": int}}
    meta = start(live, "SELECT @n + 1", typed, **values)
    resource = live.settle(meta)
    assert resource.phase is Phase.SUCCEEDED, resource.message
    assert resource.outputs.to_flyte_idl().literals["o0"].scalar.primitive.integer == 42
    assert resource.links


def test_bad_sql_is_pointed_at(live: Any) -> None:
    resource = live.settle(start(live, "SELECT 1,\n  FORM t"))
    assert resource.phase is Phase.FAILED
    assert "FORM" in resource.message


def test_a_repeated_create_adopts_the_job(live: Any) -> None:
    prefix = f"s3://flyte-agent-live/{uuid.uuid4().hex}/0"
    first, again = (start(live, "SELECT 1", prefix=prefix) for _ in range(2))
    assert first.job_id == again.job_id
    assert live.settle(again).phase is Phase.SUCCEEDED


def test_a_job_is_stopped(live: Any) -> None:
    meta = start(
        live,
        "SELECT COUNT(*) FROM UNNEST(GENERATE_ARRAY(1, 100000)) a, UNNEST(GENERATE_ARRAY(1, 100000)) b",
    )
    live.delete(meta)
    live.delete(meta)
    assert live.settle(meta).phase is not Phase.SUCCEEDED
