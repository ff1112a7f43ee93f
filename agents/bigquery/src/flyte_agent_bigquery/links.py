"""Pages about a job."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .job import JobRef
    from .sensor_meta import Place

_CONSOLE = "https://console.cloud.google.com/bigquery"


def endpoint() -> str:
    """
    Return where BigQuery is, if it is not at Google's usual address; ``""`` otherwise.

    Only the service's own environment says so, never a task: whoever chooses the address receives the tokens.
    """
    address = os.environ.get("BIGQUERY_EMULATOR_HOST", "").strip().rstrip("/")
    return address if not address or "://" in address else f"http://{address}"


def is_stand_in(address: str) -> bool:
    """Whether ``address`` is something else than Google's: its jobs are not in Google's console."""
    host = urlsplit(address).hostname or ""
    return bool(address) and not f".{host}".endswith(".googleapis.com")


def job_links(ref: JobRef) -> dict[str, str]:
    """Return name and address of the pages about a job; they work before, while and after it runs."""
    address = endpoint()
    if is_stand_in(address):
        path = f"projects/{quote(ref.project)}/jobs/{quote(ref.job_id)}"
        return {
            "BigQuery job": f"{address}/bigquery/v2/{path}?location={quote(ref.location or 'US')}"
        }
    # "bq:<location>:<id>" is the console's name of a job; without the right location it shows nothing.
    job = f"bq:{quote(ref.location or 'US')}:{quote(ref.job_id)}"
    return {
        "BigQuery Console": f"{_CONSOLE}?project={quote(ref.project)}&j={job}&page=queryresults"
    }


def table_links(table: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the page of a table that stays; results without a destination are in hidden datasets (``_…``)."""
    dataset = str((table or {}).get("datasetId") or "_")
    if table is None or dataset.startswith("_") or is_stand_in(endpoint()):
        return {}
    place = f"p={quote(str(table.get('projectId')))}&d={quote(dataset)}&t={quote(str(table.get('tableId')))}"
    return {"BigQuery table": f"{_CONSOLE}?{place}&page=table"}


def place_links(place: Place) -> dict[str, str]:
    """Return the page of what a sensor waits for; the console has none of a routine that is not there yet."""
    name, _, _ = place.name.partition("$")
    address = endpoint()
    if is_stand_in(address):
        kind = "routines" if place.is_routine else "tables"
        path = (
            f"projects/{quote(place.project)}/datasets/{quote(place.dataset)}/{kind}/{quote(name)}"
        )
        return {"BigQuery table": f"{address}/bigquery/v2/{path}"}
    dataset = f"{_CONSOLE}?p={quote(place.project)}&d={quote(place.dataset)}"
    if place.is_routine:
        return {"BigQuery dataset": f"{dataset}&page=dataset"}
    return {"BigQuery table": f"{dataset}&t={quote(name)}&page=table"}
