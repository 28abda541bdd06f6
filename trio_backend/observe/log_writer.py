"""`LogWriter`: a thread writes the lines, so that no other waits for a reader that has stopped."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeAlias

import attrs

# Characters that may wait for the reader: some ten thousand lines, twenty seconds of a busy server at INFO.
MAX_WAITING = 2**20
# Seconds that the end of the program waits for the reader.
FLUSH_TIMEOUT = 1.0
# Seconds after which a descriptor that must not block is tried again.
_LOOK_AGAIN = 0.05
# Written at once at most: one system call for what has gathered, and short enough to be cut off between two.
_BATCH = 64 * 1024
# Seconds that a line waits for others: to wake the thread costs whoever writes the line 0.08 ms.
_GATHER = 0.02
_GAP = "({} log lines were dropped here: they could not be written)\n"

RawWrite: TypeAlias = Callable[[memoryview], int | None]
"""Writes some bytes, as `io.RawIOBase.write`: blocks, or says None; raises `OSError`."""


@attrs.frozen
class LogStatistics:
    """``dropped``: lines that were not written and will not be; ``waiting``: characters not yet written."""

    dropped: int
    waiting: int


@attrs.define(eq=False)
class LogWriter:
    """Lines to where ``raw`` puts bytes, by a thread of its own: `write` never blocks and never raises.

    When more than ``max_waiting`` characters wait, what comes is dropped and counted until half of them
    are written; a line then says how many there were. The newest are dropped rather than the oldest: what
    came first is mostly the cause of the rest, a flood cannot push it out, and the gap is where the line
    stands that tells of it. A ``raw`` that fails (its reader has left, the disk is full) is tried again
    with each line; what it refuses is dropped and counted too. A process that is killed loses the lines of
    its last `_GATHER` seconds.
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
    _closing: threading.Event = attrs.field(factory=threading.Event, init=False)
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
                self._closing.set()
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
        if self._lines.empty():
            self._closing.wait(_GATHER)
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
        # Another program may have set the descriptor to non-blocking mode; the thread waits all the same.
        time.sleep(_LOOK_AGAIN)
        return 0
