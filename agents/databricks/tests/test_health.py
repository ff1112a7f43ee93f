"""What ``flyte-agent doctor`` finds out."""

from __future__ import annotations

from typing import Any

import pytest

from flyte_agent_databricks.agent import DatabricksAgent


def found(bench: Any) -> dict[str, Any]:
    return {finding.check: finding for finding in bench.run(bench.agent.check_health)}


def test_all_is_well_but_that_it_is_a_stand_in(bench: Any) -> None:
    findings = found(bench)

    assert findings["workspace"].level == "warning"
    assert {name: f.level for name, f in findings.items() if name != "workspace"} == {
        "credentials": "ok",
        "identity": "ok",
        "warehouse": "ok",
    }


def test_nothing_is_configured(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_HOST")

    assert found(bench)["workspace"].repair.startswith("Set it for the service")


def test_no_credentials(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_TOKEN", "")

    assert found(bench)["credentials"].level == "error"


def test_an_expired_token_and_a_missing_warehouse(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_WAREHOUSE_ID", "none")
    assert found(bench)["warehouse"].level == "error"
    bench.vendor.access.expire()

    assert "renew" in found(bench)["identity"].repair


def test_warming_up_imports_what_polls(bench: Any) -> None:
    import sys

    bench.run(lambda: DatabricksAgent().warm_up())

    assert "databricks.sdk.core" in sys.modules
