"""Kinds of work that are SQL's: queries, files, dashboards, alerts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from .task_work import Parameters, Work, given_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass
class _Sql(Work):
    api: ClassVar[str] = "sql_task"
    part: ClassVar[str] = ""

    def sql(
        self, warehouse_id: str, part: Mapping[str, Any], parameters: Parameters
    ) -> dict[str, Any]:
        return {
            "warehouse_id": warehouse_id,
            self.part: given_of({**part}),
            "parameters": parameters,
        }


@dataclass
class SqlQuery(_Sql):
    """A query that the workspace keeps; the address of its result is the output, or its rows."""

    part: ClassVar[str] = "query"
    output: ClassVar[str] = "sql"
    query_id: str
    warehouse_id: str
    parameters: Parameters = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        return self.sql(self.warehouse_id, {"query_id": self.query_id}, self.parameters)


@dataclass
class SqlFile(_Sql):
    """A file of SQL in the workspace or in ``git_source``; its output is that of :class:`SqlQuery`."""

    part: ClassVar[str] = "file"
    output: ClassVar[str] = "sql"
    path: str
    warehouse_id: str
    parameters: Parameters = field(default_factory=dict)
    source: str | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        part = {"path": self.path, "source": self.source}
        return self.sql(self.warehouse_id, part, self.parameters)


@dataclass
class SqlDashboard(_Sql):
    """Refresh a legacy dashboard, and send it to ``subscriptions``."""

    part: ClassVar[str] = "dashboard"
    dashboard_id: str
    warehouse_id: str
    subscriptions: Sequence[Mapping[str, str]] = ()
    custom_subject: str | None = None
    parameters: Parameters = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        part = {
            "dashboard_id": self.dashboard_id,
            "subscriptions": list(self.subscriptions),
            "custom_subject": self.custom_subject,
        }
        return self.sql(self.warehouse_id, part, self.parameters)


@dataclass
class SqlAlert(_Sql):
    """Evaluate a legacy alert, and tell ``subscriptions``."""

    part: ClassVar[str] = "alert"
    alert_id: str
    warehouse_id: str
    subscriptions: Sequence[Mapping[str, str]] = ()
    parameters: Parameters = field(default_factory=dict)

    def fields(self) -> dict[str, Any]:
        """Return the fields, by their names in the API."""
        part = {"alert_id": self.alert_id, "subscriptions": list(self.subscriptions)}
        return self.sql(self.warehouse_id, part, self.parameters)


@dataclass
class Dashboard(Work):
    """Refresh an AI/BI dashboard, and send it to the subscribers of ``subscription``."""

    api: ClassVar[str] = "dashboard_task"
    dashboard_id: str
    warehouse_id: str | None = None
    subscription: Mapping[str, Any] | None = None


@dataclass
class Alert(Work):
    """Evaluate an alert, and tell ``subscribers``."""

    api: ClassVar[str] = "alert_task"
    alert_id: str
    warehouse_id: str | None = None
    subscribers: Sequence[Mapping[str, str]] = ()
    parameters: Parameters = field(default_factory=dict)
