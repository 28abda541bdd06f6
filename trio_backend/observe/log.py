"""Logging: one line an event, on standard error, with the session that it belongs to.

A server logs from its event loop, and standard error may be a pipe whose reader has stopped: a paused pager,
Ctrl-S in a terminal, a stuck collector. So a server's lines are written by a thread of their own, through a
queue with a bound (`open_log`); who logs never waits. What comes from outside cannot forge a line or steer
a terminal: control characters are written as escapes.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

import attrs
from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

_LINE = "<dim>{time:HH:mm:ss.SSS}</dim> <level>{level: <7}</level> {extra[who]}{message}\n{extra[trace]}"

# Characters that may wait for the reader: some ten thousand lines, twenty seconds of a busy server at INFO.
MAX_WAITING = 2**20
# A line's length: a traceback fits; a message that somebody else made long is cut.
MAX_LINE = 32 * 1024
# Seconds that the end of the program waits for the reader.
FLUSH_TIMEOUT = 1.0
# Seconds after which a descriptor that must not block is tried again.
_LOOK_AGAIN = 0.05
# Written at once at most: one system call for what has gathered, and short enough to be cut off between two.
_BATCH = 64 * 1024
_GAP = "({} lines of the log were dropped here: nobody took them)\n"


RawWrite: TypeAlias = Callable[[memoryview], int | None]
"""Writes some bytes, as `io.RawIOBase.write`: blocks, or says None; raises `OSError`."""


class Sink(Protocol):
    """Where lines go: a text stream, or a `LogWriter`."""

    def write(self, text: str, /) -> object:
        """Take ``text``, which ends with a new line."""
        ...

    def isatty(self) -> bool:
        """Whether it is a terminal, which shows colours."""
        ...


@attrs.frozen
class LogStatistics:
    """``dropped``: lines that nobody will read, so far; ``waiting``: characters not yet written."""

    dropped: int
    waiting: int


@attrs.define(eq=False)
class LogWriter:
    """Lines to where ``raw`` puts bytes, by a thread of its own: `write` never blocks and never raises.

    When more than ``max_waiting`` characters wait, what comes is dropped and counted until half of them
    are written; a line then says how many there were. The newest are dropped rather than the oldest: what
    came first is mostly the cause of the rest, a flood cannot push it out, and the gap is where the line
    stands that tells of it. A ``raw`` that fails (its reader has left, the disk is full) is tried again
    with each line; what it refuses is dropped and counted too.
    """

    _raw: RawWrite
    _colours: bool = False
    _max_waiting: int = MAX_WAITING
    _lines: SimpleQueue[str | None] = attrs.field(factory=SimpleQueue, init=False)
    # Re-entrant, since a garbage collection inside may warn of what it found, and so write.
    _lock: threading.RLock = attrs.field(factory=threading.RLock, init=False)
    _taken_in: int = attrs.field(default=0, init=False)  # characters, under the lock
    _written: int = attrs.field(default=0, init=False)  # characters, by the thread alone
    _refused: int = attrs.field(default=0, init=False)  # lines, under the lock
    _lost: int = attrs.field(default=0, init=False)  # lines, by the thread alone
    _told: int = attrs.field(default=0, init=False)  # of those refused, how many were told of
    _full: bool = attrs.field(default=False, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # A daemon: stuck in a write it must not hold up the end of the process.
        self._thread = threading.Thread(target=self._write_all, name="log writer", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Have ``text`` written: one or more whole lines. Those that come after `close` are dropped."""
        with self._lock:
            waiting = self._taken_in - self._written
            if self._full and waiting <= self._max_waiting // 2:
                self._full = False
                self._tell_gap()
            self._full = self._full or waiting + len(text) > self._max_waiting
            if self._full or self._closed:
                self._refused += text.count("\n") or 1
            else:
                self._put(text)

    def isatty(self) -> bool:
        """Whether it is a terminal that shows colours."""
        return self._colours

    def statistics(self) -> LogStatistics:
        """What became of the lines so far."""
        return LogStatistics(self._refused + self._lost, max(self._taken_in - self._written, 0))

    def close(self, timeout: float = FLUSH_TIMEOUT) -> bool:
        """Write what waits, and end the thread; False if that took longer than ``timeout`` seconds."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._tell_gap()
                self._lines.put(None)
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _tell_gap(self) -> None:
        dropped, self._told = self._refused - self._told, self._refused
        if dropped:
            self._put(_GAP.format(dropped))

    def _put(self, text: str) -> None:
        self._taken_in += len(text)
        self._lines.put(text)

    # In the thread.

    def _write_all(self) -> None:
        told, torn = 0, False
        while (batch := self._next_batch()) is not None:
            text = "".join(batch)
            gap = self._lost - told
            before = ("\n" if torn else "") + (_GAP.format(gap) if gap else "")
            data = text.encode("utf-8", "backslashreplace")
            if not before or not self._write_out(before.encode()):
                told, torn = self._lost, False
                if left := self._write_out(data):
                    self._lost += data.count(b"\n", len(data) - left)
                    torn = left < len(data) and data[-left - 1 : -left] != b"\n"
            else:
                self._lost += data.count(b"\n")
            self._written += len(text)

    def _next_batch(self) -> list[str] | None:
        """What waits, once something does; None when all is written and no more will come."""
        first = self._lines.get()
        if first is None:
            return None
        batch, size = [first], len(first)
        while size < _BATCH:
            try:
                line = self._lines.get_nowait()
            except Empty:
                break
            if line is None:
                self._lines.put(None)  # nothing comes behind it
                break
            batch.append(line)
            size += len(line)
        return batch

    def _write_out(self, data: bytes) -> int:
        """How many bytes of ``data`` were refused: 0 when all is written."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._write_some(rest) :]
        except (OSError, ValueError):
            pass  # The reader has left, or the disk is full: how much was lost is told when it flows again.
        return len(rest)

    def _write_some(self, data: memoryview) -> int:
        with contextlib.suppress(BlockingIOError):
            if written := self._raw(data):
                return written
        # Whoever gave us the descriptor had it not to block; the thread may wait all the same.
        time.sleep(_LOOK_AGAIN)
        return 0


class _Prints(io.TextIOBase):
    """Stands in for `sys.stdout` and `sys.stderr`: what is printed goes to the log, a line at a time."""

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
    """What became of the lines that this process logged; nothing was dropped where it writes by itself."""
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
        # With a reader that is stuck, the interpreter's last words have to go nowhere, too.
        if writer.close():
            sys.stdout, sys.stderr, _writer = stdout, stderr, None
            start_logging("WARNING")


def flush_log() -> None:
    """Write what waits, within `FLUSH_TIMEOUT`; nothing is written after it. For a program that ends."""
    if _writer is not None:
        _writer.close()


def start_logging(level: str, sink: Sink | None = None) -> None:
    """Log everything from ``level`` up; libraries' own log lines from WARNING up.

    Without a ``sink``, to standard error: synchronously, but for the block of `open_log`. Tracebacks come
    without the values of variables: keys and what people say are among them.
    """
    logger.remove()
    logger.configure(patcher=_complete)
    if sink := sink or _writer or sys.stderr:
        logger.add(
            sink,  # type: ignore[arg-type]
            level=level,
            format=lambda _record: _LINE,
            backtrace=False,
            diagnose=False,
        )
    logging.basicConfig(handlers=[_ToLoguru()], level=logging.WARNING, force=True)


# C0 and C1 controls, what turns the direction of writing, line separators, invisible marks, surrogates.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
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
    """What libraries log with the standard library goes the same way as ours."""

    def emit(self, record: logging.LogRecord) -> None:
        level = logger.level(record.levelname).name if record.levelname in _LEVELS else record.levelno
        logger.opt(exception=record.exc_info).log(level, "{}: {}", record.name, record.getMessage())


_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
