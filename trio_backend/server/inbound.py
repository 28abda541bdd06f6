"""`Inbound`: what the peer sends, cut into whole messages. No I/O."""

from __future__ import annotations

from collections import deque

import attrs
from websockets.frames import CloseCode, Frame, Opcode
from websockets.server import ServerProtocol

# The parser cannot be stopped inside a piece. The smallest frames are 6 bytes and cost about 4 µs
# each: a piece of this size is at most 6 ms of work, and cuts a large message into few pieces.
PIECE = 8 * 1024


@attrs.define(eq=False)
class Inbound:
    """Frames in, messages out, at the pace of whoever asks.

    ``messages`` are complete and unread. ``end`` is the close code and reason once the peer has closed
    or has broken the protocol; after that nothing more is understood. The answers that the
    protocol owes the peer (pongs, a close frame) wait in ``protocol.data_to_send()``.
    """

    protocol: ServerProtocol
    messages: deque[str | bytes] = attrs.field(factory=deque, init=False)
    end: tuple[int, str] | None = attrs.field(default=None, init=False)
    _unparsed: memoryview = attrs.field(default=memoryview(b""), init=False)
    # One growing buffer, not a list: eight million fragments of one byte are to cost eight megabytes.
    _fragments: bytearray = attrs.field(factory=bytearray, init=False)
    _is_text: bool = attrs.field(default=True, init=False)

    @property
    def unparsed(self) -> bool:
        """Whether `parse_piece` has work to do."""
        return len(self._unparsed) > 0

    def feed(self, data: bytes | bytearray) -> None:
        """Add bytes as they came from the network; all earlier ones must have been parsed."""
        assert not self._unparsed
        self._unparsed = memoryview(data)

    def parse_piece(self) -> int:
        """Parse the next few kilobytes; returns how many frames they completed."""
        piece, self._unparsed = self._unparsed[:PIECE], self._unparsed[PIECE:]
        # A bytearray grows by any buffer; the library's signature just does not say so.
        self.protocol.receive_data(piece)  # type: ignore[arg-type]
        events = self.protocol.events_received()
        for event in events:
            assert isinstance(event, Frame)
            self._take(event)
        if self.protocol.parser_exc is not None and self.end is None:
            self._failed()
        return len(events)

    def _take(self, frame: Frame) -> None:
        if self.end is not None:
            return
        if frame.opcode is Opcode.CLOSE:
            close = self.protocol.close_rcvd
            assert close is not None
            self.end = (int(close.code), close.reason)
        elif frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._take_data(frame)

    def _take_data(self, frame: Frame) -> None:
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        # The parser keeps its last frame until the next one comes: it is not to keep the data too.
        data, frame.data = frame.data, b""
        if frame.opcode is Opcode.CONT or not frame.fin:
            self._fragments += data
            if not frame.fin:
                return
            data, self._fragments = self._fragments, bytearray()
        self._deliver(data)

    def _deliver(self, data: bytes | bytearray | memoryview) -> None:
        if not self._is_text:
            self.messages.append(bytes(data))
            return
        try:
            self.messages.append(str(data, "utf-8"))
        except UnicodeDecodeError as error:
            self.protocol.fail(CloseCode.INVALID_DATA, f"not UTF-8 at position {error.start}")
            self._failed()

    def _failed(self) -> None:
        close = self.protocol.close_sent
        self.end = (int(close.code), close.reason) if close else (CloseCode.ABNORMAL_CLOSURE.value, "")
