"""Everything that is logged while a check runs, at every level, formatted as a log file would have it."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Records(logging.Handler):
    """
    Keeps what is logged.

    Attributes:
        texts: Each record as text, tracebacks included.
        broken: Records that could not be formatted, with the reason.
    """

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.texts: list[str] = []
        self.broken: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        try:
            self.texts.append(self.format(record))
        except Exception as error:  # noqa: BLE001  # this is what is looked for
            said = f"{record.pathname}:{record.lineno} logs {record.msg!r} with {record.args!r}"
            self.broken.append(f"{said}: {type(error).__name__}: {error}")


@contextlib.contextmanager
def recorded() -> Iterator[Records]:
    """Record what every logger says, also those that keep to themselves."""
    records = Records()
    changed = [(logger, logger.level) for logger in _outlets()]
    for logger, _ in changed:
        logger.handlers.insert(0, records)  # before one that raises, as pytest's own does
        logger.setLevel(logging.DEBUG)
    try:
        yield records
    finally:
        for logger, level in changed:
            logger.removeHandler(records)
            logger.setLevel(level)


def _outlets() -> list[logging.Logger]:
    """Return the root, and the loggers that do not pass their records on to it."""
    known = [logging.getLogger(name) for name in sorted(logging.root.manager.loggerDict)]
    return [logging.root, *(logger for logger in known if not logger.propagate)]
