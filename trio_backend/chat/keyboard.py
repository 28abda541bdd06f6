"""The user's lines: from a terminal that is read key by key, or from anything that has lines."""

from __future__ import annotations

import codecs
import errno
import os
import signal
import stat
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

import attrs
import trio

from .editor import Editor, EndOfInput, Key, KeyReader, LineDone
from .screen import Screen

READ = 65536
# Characters; a longer line is cut, since a message of the protocol has a bound of its own.
LONGEST_LINE = 2**20


@attrs.define(eq=False)
class LineBuffer:
    """Splits UTF-8 into lines, wherever the bytes are split; what is no UTF-8 becomes U+FFFD."""

    _decoder: codecs.IncrementalDecoder = attrs.field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"), init=False
    )
    _rest: str = attrs.field(default="", init=False)

    def feed(self, data: bytes) -> list[str]:
        """The lines that ``data`` completes, without their ends."""
        *lines, self._rest = (self._rest + self._decoder.decode(data)).split("\n")
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = ""
        return [line.removesuffix("\r") for line in lines]

    def flush(self) -> list[str]:
        """What is left at the end of the input, if it is anything."""
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._rest = ""
        return [rest] if rest else []


class LineSource(Protocol):
    """The user's lines, one after the other."""

    async def next_line(self) -> str | None:
        """The next line, without its end; None when there are no more. Cancelling it loses nothing."""
        ...


@attrs.define(eq=False)
class PlainLines:
    """The lines of a pipe, of a file, or of a terminal that edits them itself.

    ``read`` gives some bytes, and none at the end.
    """

    _read: Callable[[], Awaitable[bytes]]
    _buffer: LineBuffer = attrs.field(factory=LineBuffer, init=False)
    _complete: deque[str] = attrs.field(factory=deque, init=False)

    async def next_line(self) -> str | None:
        while not self._complete:
            data = await self._read()
            self._complete.extend(self._buffer.feed(data) if data else self._buffer.flush())
            if not data:
                break
        return self._complete.popleft() if self._complete else None


@attrs.define(eq=False)
class EditedLines:
    """LineSource that are typed into the last row of the screen, with keys to edit them."""

    _read: Callable[[], Awaitable[bytes]]
    _screen: Screen
    _reader: KeyReader = attrs.field(factory=KeyReader, init=False)
    _editor: Editor = attrs.field(factory=Editor, init=False)
    _pressed: deque[Key] = attrs.field(factory=deque, init=False)

    async def next_line(self) -> str | None:
        while True:
            while self._pressed:
                key = self._pressed.popleft()
                match self._editor.press(key):
                    case LineDone(text):
                        self._screen.edit("", 0)
                        return text
                    case EndOfInput():
                        return None
                if key == "clear":
                    self._screen.clear()
            self._screen.edit(self._editor.text, self._editor.cursor)
            data = await self._read()
            if not data:
                return None
            self._pressed.extend(self._reader.feed(data))


@contextmanager
def open_lines(stdin: TextIO | None, screen: Screen) -> Iterator[LineSource]:
    """The lines of ``stdin``. Where the screen edits, the terminal gives us each key inside the block."""
    if stdin is None:
        yield PlainLines(_nothing)
        return
    fd = stdin.fileno()
    if screen.edits:
        with _key_by_key(fd):
            yield EditedLines(_reader(fd), screen)
    else:
        yield PlainLines(_reader(fd))


@contextmanager
def _key_by_key(fd: int) -> Iterator[None]:
    """Let the terminal give each key as it is pressed, and show none; afterwards all is as before."""
    import termios  # Windows has none; there, no screen edits

    before = termios.tcgetattr(fd)
    _enter_cbreak(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


async def watch_resume(fd: int, screen: Screen) -> None:
    """Set the terminal's mode again whenever the shell has resumed the program (after Ctrl-Z).

    For a screen that edits; it runs until it is cancelled.
    """
    with trio.open_signal_receiver(signal.SIGCONT) as resumed:
        async for _ in resumed:
            _enter_cbreak(fd)
            screen.redraw()


def _enter_cbreak(fd: int) -> None:
    import termios
    import tty

    # TCSADRAIN keeps what was typed ahead. Ctrl-C and Ctrl-Z remain signals.
    tty.setcbreak(fd, termios.TCSADRAIN)


async def _nothing() -> bytes:
    await trio.lowlevel.checkpoint()
    return b""


def _reader(fd: int) -> Callable[[], Awaitable[bytes]]:
    mode = os.fstat(fd).st_mode
    may_wait = os.isatty(fd) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
    if sys.platform == "win32" or not may_wait:
        return lambda: _read_in_thread(fd)
    return lambda: _read_when_ready(fd)


async def _read_when_ready(fd: int) -> bytes:
    # The descriptor stays in blocking mode, which it may share with other programs: what is readable
    # does not block.
    await trio.lowlevel.wait_readable(fd)
    try:
        return os.read(fd, READ)
    except OSError as error:
        if error.errno == errno.EIO:
            return b""  # the terminal is gone
        raise


async def _read_in_thread(fd: int) -> bytes:
    # Files cannot be waited for, and need not be; the console of Windows cannot, and must. Trio's threads
    # are daemons: one that still waits for a key when the program ends does not hold it up. The file is
    # unbuffered, since the lock of a buffered one would.
    def read() -> bytes:
        with open(fd, "rb", buffering=0, closefd=False) as raw:
            return raw.read(READ) or b""

    return await trio.to_thread.run_sync(read, abandon_on_cancel=True)
