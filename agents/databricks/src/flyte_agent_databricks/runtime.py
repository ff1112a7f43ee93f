"""What the body's process asks of the Databricks it runs on."""

from __future__ import annotations

import importlib
import os
from typing import Any


def is_databricks() -> bool:
    """Whether this process runs on a Databricks cluster or on serverless compute."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def read_secret(scope: str, key: str) -> str:
    """Return a value of a secret scope, which the run's identity must be allowed to read."""
    return str(_utilities("a secret").secrets.get(scope, key))


def service_credential(name: str) -> dict[str, str]:
    """
    Return the ``AWS_*`` variables of a Unity Catalog service credential.

    Source: https://docs.databricks.com/aws/en/connect/unity-catalog/cloud-services/use-service-credentials
    """
    session = _utilities("a service credential").credentials.getServiceCredentialsProvider(name)
    found = session.get_credentials().get_frozen_credentials()
    return {
        "AWS_ACCESS_KEY_ID": found.access_key,
        "AWS_SECRET_ACCESS_KEY": found.secret_key,
        "AWS_SESSION_TOKEN": found.token,
    }


def spark_session(name: str, conf: dict[str, str], *, make: bool) -> Any:
    """
    Return the Spark session that Databricks has.

    Args:
        name: Of a session that is made here.
        conf: Its configuration.
        make: Whether one is made where this is not Databricks.

    Returns:
        ``None`` where there is none, or PySpark is not installed.
    """
    made = _namespace().get("spark")
    if made is not None or not (make or is_databricks()):
        return made
    try:
        builder = importlib.import_module("pyspark.sql").SparkSession.builder.appName(name)
    except ImportError:
        return None
    if not is_databricks():
        for key, value in {"spark.driver.bindAddress": "127.0.0.1", **conf}.items():
            builder = builder.config(key, value)
    return builder.getOrCreate()


def _namespace() -> dict[str, Any]:
    """
    Return what a notebook finds without importing it: ``spark``, ``dbutils``.

    Source: ``databricks.sdk.runtime``, which finds it in this way.
    """
    try:
        found = importlib.import_module("dbruntime").UserNamespaceInitializer.getOrCreate()
    except (ImportError, AttributeError):
        return {}
    return dict(found.get_namespace_globals() or {})


def _utilities(what: str) -> Any:
    """Return Databricks' own helper, which its runtimes have."""
    made = _namespace().get("dbutils")
    if made is not None:
        return made
    try:
        utilities = importlib.import_module("pyspark.dbutils").DBUtils
    except ImportError:
        raise RuntimeError(
            f"{what} of the task is kept by Databricks, and this process does not run there: set the "
            "environment variables yourself where you run the task, or run it on Databricks"
        ) from None
    return utilities(importlib.import_module("pyspark.sql").SparkSession.builder.getOrCreate())
