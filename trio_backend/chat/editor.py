"""The line that is being typed. No I/O."""

from __future__ import annotations

import attrs

from .keys import Key, Typed

# How many lines back the arrow keys go, and how long one line may be: the keys of what is longer do nothing.
REMEMBERED = 200
LONGEST = 20_000


@attrs.frozen
class Entered:
    """The user is done with this line."""

    text: str


@attrs.frozen
class Ended:
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

    def press(self, key: Key) -> Entered | Ended | None:
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
                return Ended()
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

    def _enter(self) -> Entered:
        text, self.text, self.cursor = self.text, "", 0
        self._recalled = 0
        if text.strip() and self._before[-1:] != [text]:
            self._before.append(text)
            del self._before[:-REMEMBERED]
        return Entered(text)

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
