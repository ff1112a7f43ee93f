"""The metrics of several processes on one port, each sample with the label ``process``."""

from __future__ import annotations

import concurrent.futures
import http.client
import json
import socket
import threading
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import ThreadingWSGIServer, choose_encoder
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from .merged_page import merged_page
from .status_html import HTML, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .processes import Worker

_TIMEOUT_S = 5.0


class MergedEndpoint:
    """
    Answers ``/metrics`` and ``/`` for all workers; other pages are those of the first that answers.

    A worker decides who may ask: the request's ``Authorization`` goes to it, and its refusal comes
    back.
    """

    def __init__(self, host: str, port: int, workers: Sequence[Worker]) -> None:
        """
        Start to answer.

        Raises:
            OSError: The port cannot be bound.
        """
        self._workers = workers
        kind = _Server6 if ":" in host else ThreadingWSGIServer
        self._server: WSGIServer = make_server(host, port, self._answer, kind, _Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.port: int = self._server.server_port

    def stop(self) -> None:
        """Stop to answer and end the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO") or "/"
        asked = "/status.json" if path == "/" else path
        accept = environ.get("HTTP_ACCEPT", "")
        headers = {"Authorization": environ.get("HTTP_AUTHORIZATION", ""), "Accept": accept}
        answers = self._ask(asked, headers)
        refused = [answer for answer in answers.values() if answer.status != 200]
        if not answers:
            return _text(start, "503 Service Unavailable", b"no process answers yet\n")
        if refused or path not in {"/", "/metrics"}:
            first = refused[0] if refused else next(iter(answers.values()))
            start(f"{first.status} {first.reason}", first.headers)
            return [first.body]
        pages = {number: answer.body.decode() for number, answer in answers.items()}
        starts = {worker.number: worker.starts for worker in self._workers}
        if path == "/":
            statuses = {number: json.loads(page) for number, page in pages.items()}
            return send(start, "200 OK", HTML, merged_page(statuses, starts))
        page, content_type = merge(pages, starts, accept)
        start("200 OK", [("Content-Type", content_type)])
        return [page]

    def _ask(self, path: str, headers: dict[str, str]) -> dict[int, _Answer]:
        """Return what the workers that answer say, all asked at once."""
        alive = [worker for worker in self._workers if worker.metrics_port]
        with concurrent.futures.ThreadPoolExecutor(max(1, len(alive))) as pool:
            asked = {w.number: pool.submit(_get, w.metrics_port, path, headers) for w in alive}
        return {n: future.result() for n, future in asked.items() if not future.exception()}


class _Server6(ThreadingWSGIServer):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Log nothing: Prometheus asks every few seconds."""


class _Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.reason, self.body = response.status, response.reason, response.read()
        skipped = {"connection", "date", "server", "transfer-encoding"}
        self.headers = [(k, v) for k, v in response.getheaders() if k.lower() not in skipped]


def merge(pages: dict[int, str], starts: dict[int, int], accept: str = "") -> tuple[bytes, str]:
    """
    Return one page of the pages of several processes, and its type.

    Args:
        pages: By process, in the form that ``accept`` asks for.
        starts: How often each was started.
        accept: The header of that name.
    """
    encoder, content_type = choose_encoder(accept)
    is_open = content_type.startswith("application/openmetrics-text")
    parse = (
        openmetrics.text_string_to_metric_families if is_open else text_string_to_metric_families
    )
    families: dict[str, Metric] = {}
    for number, page in pages.items():
        for family in parse(page):
            into = families.setdefault(
                family.name, Metric(family.name, family.documentation, family.type)
            )
            for sample in family.samples:
                labels = {**sample.labels, "process": str(number)}
                into.samples.append(sample._replace(labels=labels))
    own = GaugeMetricFamily(
        "flyte_agent_process_starts", "Processes started in each place", labels=["process"]
    )
    for number, count in starts.items():
        own.add_metric([str(number)], count)
    registry = CollectorRegistry()
    registry.register(_Fixed([*families.values(), own]))
    return encoder(registry), content_type


class _Fixed:
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


def _get(port: int, path: str, headers: dict[str, str]) -> _Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", path, headers={k: v for k, v in headers.items() if v})
        return _Answer(connection.getresponse())
    finally:
        connection.close()


def _text(start: Callable[..., Any], status: str, body: bytes) -> list[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [body]
