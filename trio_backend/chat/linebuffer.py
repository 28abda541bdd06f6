"""Bytes in, lines out. No I/O."""

from __future__ import annotations

import codecs

import attrs

# A line that is longer is cut: the server takes messages of some megabytes.
LONGEST_LINE = 2**20


@attrs.define(eq=False)
class LineBuffer:
    """Cuts UTF-8 into lines, wherever the bytes are torn; what is no UTF-8 becomes U+FFFD."""

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
