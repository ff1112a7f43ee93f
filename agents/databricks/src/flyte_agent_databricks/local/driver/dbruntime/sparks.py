"""``spark``, ``sc`` and ``sqlContext``: PySpark's own, started when they are first used."""

from __future__ import annotations

from typing import Any


class SparkMissingError(RuntimeError):
    """PySpark is not installed."""


class LazySpark:
    """A Spark session that is made at the first look at one of its attributes."""

    def __init__(self) -> None:
        self._session: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(session_of(self), name)

    def __repr__(self) -> str:
        return "<spark of the local workspace>"


class LazyContext:
    """The same for the context of a session."""

    def __init__(self, spark: LazySpark) -> None:
        self._spark = spark

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(session_of(self._spark).sparkContext, name)


def session_of(lazy: LazySpark) -> Any:
    """
    Return the session, made if need be.

    Raises:
        SparkMissingError: PySpark is not installed.
    """
    found = vars(lazy)["_session"]
    if found is None:
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise SparkMissingError(
                "spark: the local workspace uses the PySpark of its environment, which has none: "
                "pip install pyspark, and a Java runtime for it"
            ) from error
        builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
        found = builder.appName("local-workspace").getOrCreate()
        vars(lazy)["_session"] = found
    return found
