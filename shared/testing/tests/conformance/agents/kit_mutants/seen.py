"""Where defects were found in the wild; flytekit v1.16.24, flyte-sdk 7e2d4231."""

from __future__ import annotations

_FLYTEKIT = "https://github.com/flyteorg/flytekit/blob/v1.16.24"
_SDK = "https://github.com/flyteorg/flyte-sdk/blob/7e2d4231"


def _link(text: str, *path: str) -> str:
    return f"[{text}]({'/'.join(path)})"


def _plugin(text: str, package: str, rest: str) -> str:
    return _link(
        f"flytekit's {text} plugin", _FLYTEKIT, "plugins", package, "flytekitplugins", rest
    )


SERVICE = _link("flytekit's service", _FLYTEKIT, "flytekit/extend/backend/connector_service.py#L63")
META = _link("flytekit's ResourceMeta", _FLYTEKIT, "flytekit/extend/backend/base_connector.py#L77")
STATES = _link("flytekit's table of states", _FLYTEKIT, "flytekit/extend/backend/utils.py#L18")
SENSOR = _link("flytekit's sensor", _FLYTEKIT, "flytekit/sensor/sensor_engine.py#L33")
SQL = _link("flytekit's SQL tasks", _FLYTEKIT, "flytekit/core/base_sql_task.py#L44")
BIGQUERY = _plugin("BigQuery", "flytekit-bigquery", "bigquery/connector.py#L79")
BIGQUERY_LOG = _plugin("BigQuery", "flytekit-bigquery", "bigquery/connector.py#L92")
DATABRICKS = _plugin("Databricks", "flytekit-spark", "spark/connector.py#L288")
SPARK = _plugin("Spark", "flytekit-spark", "spark/connector.py#L506")
BATCH = _plugin("OpenAI batch", "flytekit-openai", "openai/batch/connector.py#L40")
CHATGPT = _plugin("ChatGPT", "flytekit-openai", "openai/chatgpt/connector.py")
SDK_BIGQUERY = _link(
    "flyte-sdk's BigQuery plugin",
    _SDK,
    "plugins/bigquery/src/flyteplugins/bigquery/connector.py#L62",
)
