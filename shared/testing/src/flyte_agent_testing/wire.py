"""What travels over the wire of a stand-in: requests as they came, replies as they go, routes by path."""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote_plus

from starlette.datastructures import Headers, QueryParams
from starlette.routing import compile_path

F = TypeVar("F", bound=Callable[..., Any])
RawHeaders = list[tuple[bytes, bytes]]

_JSON_TYPE = (b"content-type", b"application/json; charset=UTF-8")
_NO_BODY = (204, 304)


class Request:
    """
    One request, complete: the body has arrived.

    Everything but the raw parts is parsed when asked for, so that a poll costs nothing.
    """

    __slots__ = ("at_s", "body", "method", "params", "path", "query_string", "raw_headers", "route")

    def __init__(self, scope: Mapping[str, Any], route: str, params: dict[str, str]) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query_string: bytes = scope["query_string"]
        self.raw_headers: RawHeaders = scope["headers"]
        self.route = route
        self.params = params
        self.body = b""
        self.at_s = time.monotonic()

    @property
    def query(self) -> dict[str, str]:
        """The query string; of a repeated name, the last value."""
        return dict(QueryParams(self.query_string))

    @property
    def query_lists(self) -> dict[str, list[str]]:
        """The query string with every value of a repeated name."""
        params = QueryParams(self.query_string)
        return {name: params.getlist(name) for name in params}

    @property
    def headers(self) -> Headers:
        """The headers; look-ups ignore case."""
        return Headers(raw=self.raw_headers)

    @property
    def json(self) -> Any:
        """The body as JSON; ``None`` when it is empty. Raises ``ValueError`` for anything else."""
        return json.loads(self.body) if self.body else None

    def argument(self, name: bytes) -> str:
        """One value of the query string without parsing the others; empty when it is not there."""
        for part in self.query_string.split(b"&"):
            if part.startswith(name + b"="):
                return unquote_plus(part[len(name) + 1 :].decode("latin-1"))
        return ""

    def header(self, name: bytes) -> bytes | None:
        """Value of the first header of that lower-case name, without parsing the others."""
        return next((value for key, value in self.raw_headers if key == name), None)

    def __repr__(self) -> str:
        return f"<{self.route}: {self.method} {self.path}>"


@dataclass(slots=True)
class Reply:
    """
    An answer.

    Args:
        status: HTTP status.
        content: ``bytes`` and ``str`` go out as they are, ``None`` is an empty body, the rest is sent as JSON.
        headers: Replace the default ``content-type: application/json``.
        chunks: A body that comes bit by bit (server-sent events); ``content`` is ignored then.
    """

    status: int = 200
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: AsyncIterable[bytes] | None = None

    def encoded(self) -> bytes:
        """The body."""
        if self.content is None:
            return b""
        if isinstance(self.content, bytes):
            return self.content
        if isinstance(self.content, str):
            return self.content.encode()
        return json.dumps(self.content, separators=(",", ":")).encode()

    def head(self, length_bytes: int | None) -> dict[str, Any]:
        """The ASGI message that opens the answer; ``None`` for a length nobody knows yet."""
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        if length_bytes and not any(name == b"content-type" for name, _ in headers):
            headers.append(_JSON_TYPE)
        if length_bytes is not None and self.status not in _NO_BODY:
            headers.append((b"content-length", b"%d" % length_bytes))
        return {"type": "http.response.start", "status": self.status, "headers": headers}


class ReplyError(Exception):
    """Raised by a route to answer with ``reply`` at once."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(f"HTTP {reply.status}")
        self.reply = reply


@dataclass(frozen=True, slots=True)
class RouteSpec:
    """What :func:`route` wrote on a method."""

    method: str
    path: str
    name: str
    inline: bool


def route(method: str, path: str, *, name: str = "", inline: bool = False) -> Callable[[F], F]:
    """
    Make a method answer ``method path``.

    The method gets the :class:`Request` and the ``{placeholders}`` of the path as keywords. ``async def``
    methods run on the server's loop; plain ones run in a thread, where they may block, unless ``inline``
    says that they are quick. Several decorators may share a method.

    Args:
        method: HTTP method.
        path: Path with ``{name}`` for one segment and ``{name:path}`` for the rest of it.
        name: What faults and counts call the route; the method's name when empty.
        inline: Run a plain method on the loop: it must not block.
    """

    def mark(function: F) -> F:
        spec = RouteSpec(method.upper(), path, name or function.__name__, inline)
        vars(function).setdefault("_routes", []).append(spec)
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route bound to a server."""

    name: str
    call: Callable[..., Any]
    is_async: bool
    inline: bool


class RouteTable:
    """Finds the endpoint of a path; routes are grouped by method and depth, so most searches look at one or two."""

    def __init__(self, owner: object) -> None:
        self._by_shape: dict[tuple[str, int], list[tuple[Any, Endpoint]]] = {}
        self.names: set[str] = set()
        for method in _marked_methods(owner):
            for spec in vars(method.__func__)["_routes"]:
                self._add(spec, method)

    def _add(self, spec: RouteSpec, method: Callable[..., Any]) -> None:
        endpoint = Endpoint(spec.name, method, inspect.iscoroutinefunction(method), spec.inline)
        depth = -1 if ":path}" in spec.path else spec.path.count("/")
        self._by_shape.setdefault((spec.method, depth), []).append((
            compile_path(spec.path)[0],
            endpoint,
        ))
        self.names.add(spec.name)

    def find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint and the values of its placeholders."""
        for depth in (path.count("/"), -1):
            for pattern, endpoint in self._by_shape.get((method, depth), ()):
                if match := pattern.match(path):
                    return endpoint, match.groupdict()
        return None


def _marked_methods(owner: object) -> list[Any]:
    """Bound methods with a route, in the order of their definition, base classes first."""
    names: dict[str, None] = {}
    for cls in reversed(type(owner).__mro__):
        names.update(dict.fromkeys(vars(cls)))
    methods = [getattr(owner, name) for name in names if callable(getattr(type(owner), name, None))]
    return [method for method in methods if hasattr(getattr(method, "__func__", None), "_routes")]
