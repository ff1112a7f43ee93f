"""As whom and where a sensor looks: by reference, never by value."""

from __future__ import annotations

import functools
import json
from typing import NamedTuple

from .config_access import S3Config


class Account(NamedTuple):
    """
    What finds the client of a sensor; equal for sensors that may share one, and its answers.

    Attributes:
        access: The :class:`S3Config` as JSON.
        flyte_project: Whose secrets it names, if it names any.
        flyte_domain: The same.
    """

    access: str = "{}"
    flyte_project: str = ""
    flyte_domain: str = ""

    @property
    def config(self) -> S3Config:
        """How to reach the bucket."""
        return _parsed(self.access)


def account_of(config: S3Config, flyte_project: str = "", flyte_domain: str = "") -> Account:
    """Return the account of a configuration; whose it is matters only if it names secrets."""
    access = json.dumps(config.to_custom(), sort_keys=True, separators=(",", ":"))
    if config.credentials or config.web_identity or config.sse_c_key:
        return Account(access, flyte_project, flyte_domain)
    return Account(access)


@functools.lru_cache(maxsize=4096)
def _parsed(access: str) -> S3Config:
    return S3Config.from_custom(json.loads(access))
