"""Logging: one line an event, on standard error, with the session that it belongs to."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

_LINE = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {extra[who]}{message}"


def start_logging(level: str) -> None:
    """Log everything from ``level`` up, synchronously; libraries' own log lines from WARNING up.

    Tracebacks come without the values of variables: keys and what people say are among them.
    """
    logger.remove()
    logger.configure(patcher=_name_session)
    logger.add(
        sys.stderr,
        level=level,
        format=lambda _record: _LINE + "\n{exception}",
        backtrace=False,
        diagnose=False,
    )
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)


def _name_session(record: Record) -> None:
    session = record["extra"].get("session")
    record["extra"]["who"] = f"[{session}] " if session else ""


class _ToLoguru(logging.Handler):
    """What libraries log with the standard library goes the same way as ours."""

    def emit(self, record: logging.LogRecord) -> None:
        level = logger.level(record.levelname).name if record.levelname in _LEVELS else record.levelno
        logger.opt(exception=record.exc_info).log(level, "{}: {}", record.name, record.getMessage())


_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
