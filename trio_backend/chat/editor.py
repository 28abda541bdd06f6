"""The line that is being typed, from the bytes of a terminal to the finished line. No I/O."""

from __future__ import annotations

import codecs
import re
from typing import Literal, TypeAlias

import attrs

KeyName: TypeAlias = Literal[
    "enter", "end-of-input", "backspace", "delete", "left", "right", "home", "end", "up", "down",
    "erase-word", "erase-before", "erase-after", "clear", "paste-begins", "paste-ends",
]  # fmt: skip


@attrs.frozen
class Typed:
    """Text to insert, at least one character."""

    text: str


Key: TypeAlias = Typed | KeyName

_KEYS: dict[str, KeyName] = {
    "\r": "enter", "\n": "enter", "\x04": "end-of-input", "\x7f": "backspace", "\x08": "backspace",
    "\x01": "home", "\x05": "end", "\x02": "left", "\x06": "right", "\x10": "up", "\x0e": "down",
    "\x17": "erase-word", "\x15": "erase-before", "\x0b": "erase-after", "\x0c": "clear",
    "\x1b[D": "left", "\x1b[C": "right", "\x1b[A": "up", "\x1b[B": "down",
    "\x1bOD": "left", "\x1bOC": "right", "\x1bOA": "up", "\x1bOB": "down",
    "\x1b[H": "home", "\x1b[F": "end", "\x1bOH": "home", "\x1bOF": "end",
    "\x1b[1~": "home", "\x1b[4~": "end", "\x1b[7~": "home", "\x1b[8~": "end", "\x1b[3~": "delete",
    "\x1b\x7f": "erase-word", "\x1b[200~": "paste-begins", "\x1b[201~": "paste-ends",
}  # fmt: skip

# ECMA-48: CSI sequences, SS3 of cursor keys, other escapes, control characters, and runs of text.
_TOKEN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|\x1b[^\[O]|[\x00-\x1a\x1c-\x1f\x7f]|[^\x00-\x1f\x7f]+", re.DOTALL
)


@attrs.define(eq=False)
class KeyReader:
    """Bytes in, keys out, wherever the bytes are split. Escape sequences that no key here has are ignored."""

    _decoder: codecs.IncrementalDecoder = attrs.field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"), init=False
    )
    _rest: str = attrs.field(default="", init=False)

    def feed(self, data: bytes) -> list[Key]:
        """The keys that ``data`` completes."""
        text = self._rest + self._decoder.decode(data)
        keys: list[Key] = []
        at = 0
        while token := _TOKEN.match(text, at):
            at = token.end()
            keys += _keys(token.group())
        # What is left is the beginning of an escape sequence; none that is meant is longer than this.
        self._rest = text[at : at + 32]
        return keys


def _keys(token: str) -> list[Key]:
    if token == "\t":
        return [Typed(" ")]
    if token in _KEYS:
        return [_KEYS[token]]
    return [] if token[0] < " " or token[0] == "\x7f" else [Typed(token)]


# How many lines back the arrow keys go.
REMEMBERED = 200
# Characters of one line; what is typed or pasted beyond that is ignored.
LONGEST = 20_000


@attrs.frozen
class LineDone:
    """The user pressed Enter."""

    text: str


@attrs.frozen
class EndOfInput:
    """The user pressed Ctrl-D on an empty line."""


@attrs.define(eq=False)
class Editor:
    """One line of text with a cursor, and the lines before it. ``cursor`` is from 0 to the text's length."""

    text: str = attrs.field(default="", init=False)
    cursor: int = attrs.field(default=0, init=False)
    _before: list[str] = attrs.field(factory=list, init=False)
    _recalled: int = attrs.field(default=0, init=False)
    """How many lines back ``text`` comes from; 0 for the one that is new."""
    _new: str = attrs.field(default="", init=False)
    _pasting: bool = attrs.field(default=False, init=False)

    def press(self, key: Key) -> LineDone | EndOfInput | None:
        """Change the line as ``key`` says; what that means for others, if anything."""
        match key:
            case Typed(text):
                self._insert(text)
            case "enter" if self._pasting:
                # A pasted paragraph is one message: its lines must not cut in on each other.
                self._insert(" ")
            case "enter":
                return self._enter()
            case "end-of-input" if not self.text:
                return EndOfInput()
            case "end-of-input" | "delete":
                self._replace(self.cursor, min(self.cursor + 1, len(self.text)))
            case "backspace":
                self._replace(max(self.cursor - 1, 0), self.cursor)
            case "erase-word":
                self._replace(self._word_begin(), self.cursor)
            case "erase-before":
                self._replace(0, self.cursor)
            case "erase-after":
                self._replace(self.cursor, len(self.text))
            case "paste-begins" | "paste-ends":
                self._pasting = key == "paste-begins"
            case "left" | "right" | "home" | "end":
                self._move(key)
            case "up" | "down":
                self._recall(self._recalled + (1 if key == "up" else -1))
        return None

    def _enter(self) -> LineDone:
        text, self.text, self.cursor = self.text, "", 0
        self._recalled = 0
        if text.strip() and self._before[-1:] != [text]:
            self._before.append(text)
            del self._before[:-REMEMBERED]
        return LineDone(text)

    def _insert(self, text: str) -> None:
        room = max(LONGEST - len(self.text), 0)
        self._replace(self.cursor, self.cursor, text[:room])

    def _replace(self, begin: int, end: int, text: str = "") -> None:
        self.text = self.text[:begin] + text + self.text[end:]
        self.cursor = begin + len(text)

    def _move(self, where: str) -> None:
        places = {"left": self.cursor - 1, "right": self.cursor + 1, "home": 0, "end": len(self.text)}
        self.cursor = min(max(places[where], 0), len(self.text))

    def _word_begin(self) -> int:
        kept = self.text[: self.cursor].rstrip()
        return len(kept) - len(kept.split(" ")[-1])

    def _recall(self, back: int) -> None:
        if not 0 <= back <= len(self._before):
            return
        if self._recalled == 0:
            self._new = self.text
        self._recalled = back
        self.text = self._before[-back] if back else self._new
        self.cursor = len(self.text)
