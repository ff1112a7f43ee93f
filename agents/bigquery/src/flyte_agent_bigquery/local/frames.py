"""What statements of a script or a session share: variables, temporary tables and functions."""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field

from .errors import not_found
from .sql.scope import Function, TableKey, Value


@dataclass
class Frame:
    """The state of a script, or of a session over several jobs."""

    session_id: str = ""
    variables: dict[str, Value] = field(default_factory=dict)
    temp_tables: dict[str, TableKey] = field(default_factory=dict)
    functions: dict[str, Function] = field(default_factory=dict)
    in_transaction: bool = False
    changed: list[TableKey] = field(default_factory=list)  # in the open transaction
    lock: threading.Lock = field(default_factory=threading.Lock)


class Sessions:
    """The sessions of a server."""

    def __init__(self) -> None:
        self._sessions: dict[str, Frame] = {}

    def create(self) -> Frame:
        """A new session."""
        frame = Frame(session_id=uuid.uuid4().hex)
        self._sessions[frame.session_id] = frame
        return frame

    def get(self, session_id: str) -> Frame:
        """Raises ``BigQueryError`` (``notFound``)."""
        found = self._sessions.get(session_id)
        if found is None:
            raise not_found("Session", session_id)
        return found
