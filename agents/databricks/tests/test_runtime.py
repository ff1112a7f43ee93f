"""What the body's process asks of the Databricks it runs on, from modules like those of its runtimes."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flytekit import current_context, task

from flyte_agent_databricks import DatabricksJob
from flyte_agent_databricks.runtime import read_secret, service_credential, spark_session

UTILITIES = """
class Credentials:
    access_key, secret_key, token = "AKIA", "of-unity", "session"
    def get_credentials(self):
        return self
    get_frozen_credentials = get_credentials

class Utilities:
    def __init__(self, spark=None):
        self.secrets = self.credentials = self
    def get(self, scope, key):
        return f"{scope}:{key}"
    def getServiceCredentialsProvider(self, name):
        return Credentials()
"""
DBRUNTIME = (
    UTILITIES
    + """
class UserNamespaceInitializer:
    @classmethod
    def getOrCreate(cls):
        return cls()
    def get_namespace_globals(self):
        return {"dbutils": Utilities(), "spark": "the session of Databricks"}
"""
)
PYSPARK_SQL = """
class Builder:
    def __init__(self, said=()):
        self.said = list(said)
    def appName(self, name):
        return Builder([*self.said, name])
    def config(self, key, value):
        return Builder([*self.said, f"{key}={value}"])
    def getOrCreate(self):
        return self.said

class SparkSession:
    builder = Builder()
"""


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what makes modules importable."""
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in [n for n in sys.modules if n.partition(".")[0] in ("dbruntime", "pyspark")]:
        monkeypatch.delitem(sys.modules, name)

    def install(**modules: str) -> None:
        for name, text in modules.items():
            path = tmp_path / f"{name.replace('__', '/', 1)}.py"
            path.parent.mkdir(exist_ok=True)
            if path.parent != tmp_path and "__init__" not in name:
                (path.parent / "__init__.py").touch()
            path.write_text(text)
        importlib.invalidate_caches()

    yield install
    for name in [n for n in sys.modules if n.partition(".")[0] in ("dbruntime", "pyspark")]:
        del sys.modules[name]


def test_a_notebooks_own_helpers_are_used(runtime: Callable[..., None]) -> None:
    runtime(dbruntime=DBRUNTIME)
    assert read_secret("scope", "key") == "scope:key"
    assert service_credential("storage") == {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "of-unity",
        "AWS_SESSION_TOKEN": "session",
    }
    assert spark_session("t", {}, make=False) == "the session of Databricks"


def test_those_of_pyspark_serve_where_there_is_no_notebook(runtime: Callable[..., None]) -> None:
    runtime(pyspark__sql=PYSPARK_SQL, pyspark__dbutils=UTILITIES + "DBUtils = Utilities\n")
    assert read_secret("scope", "key") == "scope:key"


def test_a_session_of_this_machine_has_the_tasks_configuration(
    runtime: Callable[..., None],
) -> None:
    runtime(pyspark__sql=PYSPARK_SQL)
    conf = {"spark.x": "1"}
    made = ["t", "spark.driver.bindAddress=127.0.0.1", "spark.x=1"]
    assert spark_session("t", conf, make=True) == made
    assert spark_session("t", conf, make=False) is None


def test_databricks_own_configuration_stays(
    runtime: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "16.4")
    runtime(pyspark__sql=PYSPARK_SQL)
    assert spark_session("t", {"spark.x": "1"}, make=False) == ["t"]


def test_a_body_finds_its_session(runtime: Callable[..., None]) -> None:
    runtime(pyspark__sql=PYSPARK_SQL)

    @task(task_config=DatabricksJob(spark=True, spark_conf={"spark.x": "1"}))
    def test_with() -> str:
        return current_context().spark_session[-1]

    @task(task_config=DatabricksJob(spark=False))
    def test_without() -> bool:
        return current_context().has_attr("SPARK_SESSION")

    assert test_with() == "spark.x=1"
    assert test_without() is False


def test_a_body_without_pyspark_has_none(runtime: Callable[..., None]) -> None:
    runtime(pyspark____init__="raise ImportError")

    @task(task_config=DatabricksJob(spark=True))
    def test_none() -> bool:
        return current_context().has_attr("SPARK_SESSION")

    assert test_none() is False
