"""The screen: lines that scroll by, and on a terminal one row below them in which the user types."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import attrs
from rich.cells import cell_len, get_character_cell_size
from rich.console import Console
from rich.text import Text

from .formatting import Formatter, harmless

_ERASE_ROW = "\r\x1b[K"
_ERASE_ALL = "\x1b[H\x1b[2J"
# Ask the terminal to say where pasted text begins and ends.
_PASTES_ON, _PASTES_OFF = "\x1b[?2004h", "\x1b[?2004l"


@attrs.frozen
class InputRow:
    """The visible part of the line that is typed, and the column of the cursor in it, from 0."""

    text: str
    column: int


def lay_out(text: str, cursor: int, width: int) -> InputRow:
    """The part of ``text`` around its ``cursor`` that fits into ``width`` columns (at least 2).

    A line that is too long moves sideways under the cursor, so that it never takes a second row.
    """
    begin = cursor
    room = width - 1  # the cursor itself may stand behind the text
    while begin > 0 and (cells := get_character_cell_size(text[begin - 1])) <= room:
        room -= cells
        begin -= 1
    end = cursor
    while end < len(text) and (cells := get_character_cell_size(text[end])) <= room:
        room -= cells
        end += 1
    return InputRow(text[begin:end], cell_len(text[begin:cursor]))


@attrs.define(eq=False)
class Screen:
    """Shows the conversation on ``out`` and all else on ``aside``.

    Where it ``edits``, both are one terminal, and its last row belongs to the user: what is shown
    appears above it. A terminal that takes nothing (Ctrl-S) makes us wait, as its user wants it.
    """

    out: Console
    aside: Console
    format: Formatter
    edits: bool = False
    echoed: bool = False
    """Whether the terminal itself shows what is typed and keeps it, so that it need not be shown again."""
    _typed: str = attrs.field(default="", init=False)
    _cursor: int = attrs.field(default=0, init=False)
    _status: str = attrs.field(default="", init=False)

    def show(self, text: Text) -> None:
        """A part of the conversation, or what the user asked to see."""
        self._print(self.out, text)

    def mine(self, text: str) -> None:
        """What the user typed."""
        if not self.echoed:
            self.show(self.format.mine(text))

    def note(self, text: str) -> None:
        """Something that the user may know, said quietly."""
        self._print(self.aside, self.format.note(text))

    def error(self, text: str) -> None:
        """Something that went wrong."""
        self._print(self.aside, self.format.error(text))

    def status(self, text: str) -> None:
        """Show a status such as ``Thinking...``, "" for none: in the user's row, or as a note."""
        if not self.edits and text:
            self.note(text)
        elif text != self._status:
            self._status = text
            self.redraw()

    def edit(self, text: str, cursor: int) -> None:
        """Show what is being typed, with the cursor before character number ``cursor``."""
        before = harmless(text[:cursor])
        self._typed, self._cursor = before + harmless(text[cursor:]), len(before)
        self.redraw()

    def redraw(self) -> None:
        """Draw the user's row again."""
        if self.edits:
            _write(self.out, _ERASE_ROW + self._row())

    def clear(self) -> None:
        """Empty the terminal, but for the user's row."""
        _write(self.out, _ERASE_ALL + self._row())

    @contextmanager
    def user_row(self) -> Iterator[None]:
        """Where the screen edits: have a row for the user until the block is left."""
        if not self.edits:
            yield
            return
        _write(self.out, _PASTES_ON + self._row())
        try:
            yield
        finally:
            _write(self.out, _ERASE_ROW + _PASTES_OFF)

    def _print(self, console: Console, text: Text) -> None:
        if self.edits:
            _write(self.out, _ERASE_ROW + _rendered(self.out, text) + self._row())
        else:
            _write(console, _rendered(console, text))

    def _row(self) -> str:
        row = Text()
        if self._status:
            row.append(f"{harmless(self._status)} ", "italic dim")
            row.truncate(self.out.width // 2)
        row.append(self.format.mark, "bold")
        head = row.cell_len
        typed = lay_out(self._typed, self._cursor, max(self.out.width - head, 2))
        row.append(typed.text)
        return f"{_rendered(self.out, row, end='')}\x1b[{head + typed.column + 1}G"


def _rendered(console: Console, text: Text, end: str = "\n") -> str:
    """``text`` as the console can show it, in its width; the lines of a pipe are as long as they are."""
    with console.capture() as capture:
        console.print(text, end=end, soft_wrap=not end or not console.is_terminal)
    return capture.get()


def _write(console: Console, text: str) -> None:
    # Not by the console itself, which ends the program when the reader of a pipe has left.
    console.file.write(text)
    console.file.flush()


def make_screen(stdin: TextIO | None, stdout: TextIO, stderr: TextIO) -> Screen:
    """The screen that these streams allow: one that edits, where they are a terminal of some ability."""
    for stream in (stdout, stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal cannot show is no reason to end a conversation.
            stream.reconfigure(errors="replace")
    out = Console(file=stdout, highlight=False)
    able = sys.platform != "win32" and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    typed = stdin is not None and stdin.isatty()
    edits = able and out.is_terminal and typed
    echoed = typed and out.is_terminal and not edits
    formatter = Formatter(unicode=out.encoding.lower().startswith("utf"))
    return Screen(out, Console(file=stderr, highlight=False, stderr=True), formatter, edits, echoed)
