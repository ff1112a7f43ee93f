"""
What the platform team says to the agent, in the environment of the service.

=============================================== =============================================
``FLYTE_AGENT_OPENAI_BASE_URLS``                further addresses that tasks may name, by commas
``FLYTE_AGENT_OPENAI_MODELS``                   models that tasks may use, by commas; ``*`` fits any text
``FLYTE_AGENT_OPENAI_PRICES``                   a JSON file with prices
``FLYTE_AGENT_OPENAI_MAX_USD_PER_EXECUTION``    a ceiling for every execution
``FLYTE_AGENT_OPENAI_MAX_TOKENS_PER_EXECUTION`` the same in tokens
``FLYTE_AGENT_OPENAI_KEEP_S``                   how long answers are kept for repeated calls
``FLYTE_AGENT_OPENAI_KEEP_MIB``                 how much memory they may take
``FLYTE_AGENT_OPENAI_STORE``                    a folder all replicas share, on any storage fsspec knows
``FLYTE_AGENT_OPENAI_LINGER_S``                 how long a request goes on whose caller has gone
``FLYTE_AGENT_OPENAI_BREAKER_S``                how long a credential rests after its quota is used up
``FLYTE_AGENT_OPENAI_FILES``                    addresses of files that may be read and written, by commas
``FLYTE_AGENT_OPENAI_CA_FILE``                  certificate authorities, for proxies that look inside
``FLYTE_AGENT_OPENAI_PROXY``                    a proxy; otherwise ``HTTPS_PROXY`` counts
``FLYTE_AGENT_OPENAI_LOG_TEXT``                 ``1`` lets prompts and answers into the log
=============================================== =============================================
"""

from __future__ import annotations

import os

from flyte_agent_core import TaskError

PREFIX = "FLYTE_AGENT_OPENAI_"

_NUMBERS = {
    "KEEP_S": 900.0,
    "KEEP_MIB": 64.0,
    "LINGER_S": 120.0,
    "BREAKER_S": 300.0,
    "MAX_USD_PER_EXECUTION": 0.0,
    "MAX_TOKENS_PER_EXECUTION": 0.0,
}
_LISTS = {
    "BASE_URLS": "",
    "MODELS": "*",
    "FILES": "s3://,gs://,abfs://,abfss://,az://,memory://",
}


def number(name: str) -> float:
    """
    Return a number of the settings; 0 where there is none.

    Raises:
        TaskError: What is set is none.
    """
    text = os.environ.get(PREFIX + name, "").strip()
    try:
        found = float(text) if text else _NUMBERS[name]
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise TaskError(
            f"{PREFIX}{name} of the agent service: found {text!r}, expected a number such as "
            f"{_NUMBERS[name] or 100:g}",
            code="OPENAI.BAD_SETTING",
        )
    return found


def listed(name: str) -> list[str]:
    """Return a list of the settings."""
    text = os.environ.get(PREFIX + name, "") or _LISTS[name]
    return [part.strip() for part in text.split(",") if part.strip()]


def text(name: str) -> str:
    """Return a text of the settings; empty where there is none."""
    return os.environ.get(PREFIX + name, "").strip()
