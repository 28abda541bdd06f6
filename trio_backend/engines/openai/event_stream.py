"""Server-sent events, as a machine that is fed: bytes in, the data of events out.

After the HTML standard, https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream,
of which only ``data`` means anything here. The HTTP library has such a reader, too; that one leaves its
connection to the garbage collector where an event is too long, and knows no byte order mark.
"""

from __future__ import annotations

import codecs

import attrs

from ...errors import AnswerTooLong

LONGEST_EVENT = 2**20
"""Characters. An event is a token, or with some servers a whole answer; more comes from a broken one."""


@attrs.define(eq=False)
class EventReader:
    """Fed the bytes of a stream, in any pieces. What is no UTF-8 becomes U+FFFD."""

    _decoder: codecs.IncrementalDecoder = attrs.field(init=False)
    _begun: bool = attrs.field(default=False, init=False)
    _after_cr: bool = attrs.field(default=False, init=False)
    # In pieces, since a server may send a line byte by byte.
    _line: list[str] = attrs.field(factory=list, init=False)
    _data: list[str] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)

    @_decoder.default
    def _utf_8(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, received: bytes) -> list[str]:
        """The data of the events that ``received`` completes. Raises `AnswerTooLong`."""
        *ends, begin = self._lines(self._decoder.decode(received))
        events = []
        for end in ends:
            line = "".join([*self._line, end]) if self._line else end
            self._line.clear()
            if line:
                self._take(line)
            else:
                if self._data:
                    events.append("\n".join(self._data))
                self._data.clear()
                self._size = 0
        if begin:
            self._line.append(begin)
            self._count(len(begin))
        return events

    def _lines(self, text: str) -> list[str]:
        """``text`` at its line ends, which are CR, LF or both; the last piece is the begin of a line."""
        if text and not self._begun:
            self._begun, text = True, text.removeprefix("\ufeff")
        if text and self._after_cr:
            # A pair of them that was torn apart is one end.
            self._after_cr, text = False, text.removeprefix("\n")
        if "\r" in text:
            self._after_cr = text.endswith("\r")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.split("\n")

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        if field == "data":
            self._data.append(value.removeprefix(" "))
            self._count(len(line) + 1)

    def _count(self, more: int) -> None:
        self._size += more
        if self._size > LONGEST_EVENT:
            raise AnswerTooLong("an event is too long")
