"""What a terminal sends when keys are pressed, as keys. No I/O."""

from __future__ import annotations

import codecs
import re
from typing import Literal, TypeAlias

import attrs

Named: TypeAlias = Literal[
    "enter", "end-of-input", "backspace", "delete", "left", "right", "home", "end", "up", "down",
    "erase-word", "erase-before", "erase-after", "clear", "paste-begins", "paste-ends",
]  # fmt: skip


@attrs.frozen
class Typed:
    """Text to insert, at least one character."""

    text: str


Key: TypeAlias = Typed | Named

_KEYS: dict[str, Named] = {
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
    """Bytes in, keys out, wherever the bytes are torn. Sequences that mean nothing here are left out."""

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
