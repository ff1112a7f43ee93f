"""The agent at a Databricks workspace: statements of a SQL warehouse, which it starts if it is stopped."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from flyte_agent_core import Phase
from flyte_agent_core.clock import SystemClock

NEEDED = ("DATABRICKS_HOST", "DATABRICKS_TOKEN", "DATABRICKS_WAREHOUSE_ID")
# As the process was started; in a test nothing of this machine counts.
GIVEN = {name: os.environ.get(name, "") for name in NEEDED}
MISSING = [name for name in NEEDED if not GIVEN[name]]
pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]
SCALAR = {"statement": {}, "outputs": {"kind": "scalar"}}


@pytest.fixture
def live(nobody: None, bench_of: Callable[[Any, Any], Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)
    return bench_of(None, SystemClock())


def start(live: Any, sql: str, **said: Any) -> Any:
    prefix = said.pop("prefix", f"s3://flyte-agent-live/{uuid.uuid4().hex}/0")
    return live.create(SCALAR, sql=sql, prefix=prefix, outputs={"o0": int}, **said)


def test_a_statement_gives_a_value(live: Any) -> None:
    resource = live.settle(start(live, "SELECT 41 + 1"))
    assert resource.phase is Phase.SUCCEEDED, resource.message
    assert resource.outputs.to_flyte_idl().literals["o0"].scalar.primitive.integer == 42


def test_bad_sql_is_final(live: Any) -> None:
    resource = live.settle(start(live, "SELECT no_such_column_of_flyte"))
    assert resource.phase is Phase.FAILED
    assert "no_such_column_of_flyte" in resource.message


def test_a_statement_is_stopped(live: Any) -> None:
    meta = start(live, "SELECT COUNT(*) FROM RANGE(100000000) a CROSS JOIN RANGE(100000000) b")
    live.delete(meta)
    live.delete(meta)
    assert live.settle(meta).phase is not Phase.SUCCEEDED
