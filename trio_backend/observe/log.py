"""Logging: one line an event, on standard error, with the session that it belongs to.

A server logs from its event loop, and standard error may be a pipe whose reader has stopped: a paused pager,
Ctrl-S in a terminal, a stuck collector. So a server's lines are written by a thread of their own, through a
queue with a bound (`open_log`); who logs never waits. What comes from outside cannot forge a line or steer
a terminal: control characters are written as escapes.
"""

from __future__ import annotations

import io
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol, TextIO

from loguru import logger

from .log_writer import LogStatistics, LogWriter, RawWrite

if TYPE_CHECKING:
    from loguru import Record

_LINE = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {extra[who]}{message}\n{extra[trace]}"
# systemd's journal writes the time itself, and takes a line's priority from its beginning; see sd-daemon(3).
_JOURNAL_LINE = "{extra[priority]}{level: <7} {extra[who]}{message}\n{extra[trace]}"

# A line's length: a traceback fits; a message that somebody else made long is cut.
MAX_LINE = 32 * 1024


class Sink(Protocol):
    """Takes the lines of the log: a text stream, or a `LogWriter`."""

    def write(self, text: str, /) -> object:
        """Take ``text``, which ends with a new line."""
        ...

    def isatty(self) -> bool:
        """Whether it is a terminal, which shows colours."""
        ...


class _Prints(io.TextIOBase):
    """Replaces `sys.stdout` and `sys.stderr`: what is printed goes to the log, a line at a time."""

    def __init__(self, writer: LogWriter, fd: int) -> None:
        self._writer = writer
        self._fd = fd
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "backslashreplace"

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return self._writer.isatty()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        whole, end, rest = (self._begun + text).rpartition("\n")
        self._begun = rest[-MAX_LINE:]
        if end:
            self._writer.write(escaped_lines(whole) + end)
        return len(text)


_writer: LogWriter | None = None
"""That of this process, while `open_log` runs: there is one standard error."""


def log_statistics() -> LogStatistics:
    """How many lines of this process were dropped, and what waits; nothing outside of `open_log`."""
    return _writer.statistics() if _writer else LogStatistics(0, 0)


@contextmanager
def open_log() -> Iterator[None]:
    """While the block runs, log and print without ever waiting for who reads it.

    That holds for `start_logging`, called inside, for `print`, and for Python's own warnings and thread
    errors. Leaving the block takes `FLUSH_TIMEOUT` at most; if the reader takes nothing, the rest is lost.
    """
    global _writer
    stdout, stderr = sys.stdout, sys.stderr
    fd = _descriptor(stderr)
    if fd is None:
        # Captured, or there is none (a Windows service): nobody can stop reading it.
        yield
        return
    _writer = writer = LogWriter(_raw_write(stderr, fd), _shows_colours(fd))
    sys.stdout = sys.stderr = _Prints(writer, fd)
    try:
        yield
    finally:
        # If the reader is stuck, what the interpreter writes at its end must not wait for it either.
        if writer.close():
            sys.stdout, sys.stderr, _writer = stdout, stderr, None
            start_logging("WARNING")


def show_on_terminal(lines: Sequence[str]) -> bool:
    """Show ``lines`` where the log goes, if that is a terminal and wide enough; False if it is not.

    For what must not be kept: they are no part of the log. They may hold escape sequences for colours, if
    `terminal_has_colours`.
    """
    fd = _descriptor(sys.stderr)
    if _writer is None or fd is None or not os.isatty(fd):
        return False
    wide = max(len(_ESCAPE_SEQUENCE.sub("", line)) for line in lines)
    # Each line at once would let others come between.
    if fits := wide <= os.get_terminal_size(fd).columns:
        _writer.write("".join(f"{line}\n" for line in lines))
    return fits


def terminal_has_colours() -> bool:
    """Whether the log goes to a terminal that understands escape sequences."""
    return _writer is not None and _writer.isatty()


def flush_log() -> None:
    """Write what waits, within `FLUSH_TIMEOUT`; nothing is written after it. For a program that ends."""
    if _writer is not None:
        _writer.close()


def start_logging(level: str, sink: Sink | None = None) -> None:
    """Log everything from ``level`` up; libraries' own log lines from WARNING up.

    Without a ``sink``, to standard error: synchronously, but for the block of `open_log`. Where that is
    systemd's journal, each line begins with its priority (``journalctl -p warning``) and not with the time.
    Tracebacks come without the values of variables: keys and what people say are among them.
    """
    journal = sink is None and _is_journal(_descriptor(sys.stderr))
    logger.remove()
    logger.configure(patcher=_complete_for_journal if journal else _complete)
    if sink := sink or _writer or sys.stderr:
        logger.add(
            sink,  # type: ignore[arg-type]
            level=level,
            format=lambda _record: _JOURNAL_LINE if journal else _LINE,
            backtrace=False,
            diagnose=False,
        )
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)


# C0 and C1 controls, what turns the direction of writing, line separators, invisible marks, surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
_UNSAFE_IN_LINES = re.compile(_UNSAFE.pattern.replace("\x00-\x1f", "\x00-\x08\x0b-\x1f"))


def escaped(text: str) -> str:
    """``text`` in one line that steers no terminal (``\\n``, ``\\x1b``), not much over `MAX_LINE`."""
    text = _shortened(text)
    return text if text.isprintable() else _UNSAFE.sub(_escape, text)


def escaped_lines(text: str) -> str:
    """As `escaped`, for text of several lines."""
    return _UNSAFE_IN_LINES.sub(_escape, _shortened(text))


def _shortened(text: str) -> str:
    """The middle is left out: a trace's last line says what happened."""
    if len(text) <= MAX_LINE:
        return text
    half = MAX_LINE // 2
    return f"{text[:half]} … {len(text) - 2 * half} characters … {text[-half:]}"


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


def _complete(record: Record) -> None:
    """Before any sink sees it: whose line it is, nothing in it that steers, and its trace as text."""
    session = record["extra"].get("session")
    record["message"] = escaped(record["message"])
    record["extra"]["who"] = f"[{escaped(str(session))}] " if session else ""
    record["extra"]["trace"] = _trace(record)


def _complete_for_journal(record: Record) -> None:
    """As `_complete`; every line has a priority, since each is an entry of the journal."""
    _complete(record)
    number = record["level"].no
    priority = f"<{next((value for least, value in _PRIORITIES if number >= least), 7)}>"
    trace = record["extra"]["trace"].splitlines(keepends=True)
    record["extra"]["trace"] = "".join(priority + line for line in trace)
    record["extra"]["priority"] = priority


# Of loguru's levels from CRITICAL down, those of syslog(3); what is less than INFO is 7, debug.
_PRIORITIES = ((50, 2), (40, 3), (30, 4), (20, 6))


def _trace(record: Record) -> str:
    """The traceback, indented, so that no exception's text can pass for a line of the log."""
    problem = record["exception"]
    if problem is None or problem.value is None:
        return ""
    lines = "".join(traceback.format_exception(problem.type, problem.value, problem.traceback))
    return "".join(f"  {line}\n" for line in escaped_lines(lines).splitlines())


def _descriptor(stream: TextIO | None) -> int | None:
    try:
        return stream.fileno() if stream else None
    except (OSError, ValueError):  # io.UnsupportedOperation is both; a closed stream is the second
        return None


def _is_journal(fd: int | None) -> bool:
    """Whether systemd has connected ``fd`` with its journal.

    The variable alone does not say so: programs that a service starts inherit it, and write elsewhere.
    """
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    if fd is None or not inode:
        return False
    found = os.fstat(fd)
    return (device, inode) == (str(found.st_dev), str(found.st_ino))


def _raw_write(stream: TextIO, fd: int) -> RawWrite:
    """Past the stream's buffers: a stuck thread that holds their lock would hold up the interpreter's end."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    # A console of Windows takes UTF-8 from this object alone.
    if sys.platform == "win32" and isinstance(raw, io.RawIOBase):
        return raw.write
    return partial(os.write, fd)


def _shows_colours(fd: int) -> bool:
    # On Windows a console has to be told first that it should.
    return sys.platform != "win32" and os.isatty(fd)


class _ToLoguru(logging.Handler):
    """Passes to loguru what libraries log with the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        level = logger.level(record.levelname).name if record.levelname in _LEVELS else record.levelno
        logger.opt(exception=record.exc_info).log(level, "{}: {}", record.name, record.getMessage())


_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
