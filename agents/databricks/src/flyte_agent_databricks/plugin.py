"""
Entry point of the ``flytekit.plugins`` group: importing this module registers the agent.

flytekit imports it during ``import flytekit`` with nothing around the call, so it must be quick,
load no vendor library and never raise.
"""

from __future__ import annotations

from flyte_agent_core import register

register("flyte_agent_databricks.agent:DatabricksAgent")
