"""`Inbound`: turns the bytes of a peer into whole messages, by RFC 6455. No I/O."""

from __future__ import annotations

import sys
from codecs import utf_8_decode
from collections import deque

import attrs

from ..protocol.codec import LARGE, Utf8
from . import frames
from .frames import (
    CLOSE,
    CONT,
    CONTROL_SIZE,
    FIN,
    HEAD_SIZE,
    HEAD_SIZE_SHORT,
    MASKED,
    OPCODES,
    PING,
    PONG,
    RESERVED,
    TEXT,
    apply_mask,
)

# Frames that are parsed in one go, at about 2 µs each. Then pongs are sent, before more bytes are read.
FRAMES = 32


@attrs.define(eq=False)
class Inbound:
    """Gets bytes by `feed`, and has one ``message`` at a time: nothing behind it is parsed before `take`.

    ``end`` is the close code and reason once the peer has closed or has broken the protocol; all further
    bytes are ignored. Every byte is checked as soon as it is there: a frame that must not come is refused by
    its head, text that is no UTF-8 by its first wrong byte. ``replies`` are frames that must be sent to the
    peer; an empty one means that nothing more may be sent.
    """

    max_size: int
    """Bytes of the largest message."""
    replies: deque[bytes] = attrs.field(factory=deque)
    message: str | bytes | None = attrs.field(default=None, init=False)
    end: tuple[int, str] | None = attrs.field(default=None, init=False)
    close_received: bool = attrs.field(default=False, init=False)
    _discarding: bool = attrs.field(default=False, init=False)

    _data: bytes | bytearray = attrs.field(default=b"", init=False)
    _at: int = attrs.field(default=0, init=False)
    # A head that has come in part.
    _torn: bytes | bytearray = attrs.field(default=b"", init=False)

    # The frame whose payload is coming: its first byte, or -1; how many bytes it lacks; its mask, rotated so
    # that its first byte belongs to the next byte of the payload.
    _first: int = attrs.field(default=-1, init=False)
    _left: int = attrs.field(default=0, init=False)
    _mask: bytes | bytearray = attrs.field(default=b"", init=False)
    _control: bytes = attrs.field(default=b"", init=False)

    # The message that is coming. One growing buffer, not a list: eight million fragments of one byte must not
    # cost more than eight megabytes. Bytes, not text, which may take four times as much.
    _opcode: int = attrs.field(default=CONT, init=False)
    _buffer: bytearray = attrs.field(factory=bytearray, init=False)
    # The first bytes of a UTF-8 character whose rest has not come.
    _character: bytes = attrs.field(default=b"", init=False)

    @property
    def unparsed(self) -> bool:
        """Whether `parse` has work to do."""
        return self._at < len(self._data)

    @property
    def unfinished(self) -> bool:
        """Whether a message, or a frame, has begun and is not complete."""
        return self._first >= 0 or self._opcode != CONT or len(self._torn) > 0

    @property
    def held(self) -> int:
        """Bytes of memory that messages take here, the unfinished one included."""
        return len(self._buffer) + (size_of(self.message) if self.message is not None else 0)

    def feed(self, data: bytes | bytearray) -> None:
        """Add bytes as they came from the network; all earlier ones must have been parsed."""
        assert not self.unparsed
        self._data, self._at = (self._torn + data if self._torn else data), 0
        self._torn = b""

    def parse(self) -> int:
        """Parse a part of what was fed; returns how many frames that completed.

        Stops after a message, and after `FRAMES` frames: call it again while `unparsed`.
        """
        count = 1 if self._parse_short() else 0
        while self.unparsed and count < FRAMES and self.message is None:
            if self.end is not None:
                self._data, self._at = b"", 0
            elif self._first < 0:
                self._read_head()
                # A frame without payload is complete with its head.
                if self._first >= 0 and not self._left:
                    count += 1
                    self._read_payload()
            else:
                count += 1
                self._read_payload()
        if not self.unparsed:
            self._data, self._at = b"", 0  # must not stay in memory while the task waits for the next
        return count

    def _parse_short(self) -> bool:
        """Parse the next frame, if it is a whole short text message, in a third of the time of all others."""
        data, at = self._data, self._at
        begin = at + HEAD_SIZE_SHORT
        if len(data) < begin or data[at] != FIN | TEXT or self.message is not None or self.end is not None:
            return False
        size = data[at + 1] - MASKED
        end = begin + size
        whole = 0 < size <= min(CONTROL_SIZE, self.max_size) and end <= len(data)
        if not whole or self.unfinished or self._discarding:
            return False
        try:
            self.message = str(apply_mask(data[begin:end], data[begin - 4 : begin]), "utf-8")
        except UnicodeDecodeError:
            return False
        self._at = end
        return True

    def take(self) -> str | bytes:
        """Remove and return ``message``, which must be there."""
        message, self.message = self.message, None
        assert message is not None
        return message

    def discard(self) -> None:
        """From now on ignore messages, and only wait for the peer's close."""
        self._discarding, self.message = True, None
        self._buffer, self._character = bytearray(), b""

    def fail(self, code: int, reason: str) -> None:
        """End the connection with ``code``: ignore further bytes, and let ``replies`` tell the peer why."""
        if self.end is None:
            self.replies += [frames.close(code, reason), b""]
            self._finish(code, reason)

    def _finish(self, code: int, reason: str) -> None:
        self.end = code, reason
        self._buffer, self._torn, self._first, self._opcode = bytearray(), b"", -1, CONT

    # Heads, section 5.2

    def _read_head(self) -> None:
        data, at = self._data, self._at
        have = len(data) - at
        first = data[at]
        wrong = self._wrong_first(first)
        if wrong:
            self.fail(1002, wrong)
            return
        if have >= 2:
            second = data[at + 1]
            size = second & 127
            if not second & MASKED:
                self.fail(1002, "the frames of a client must be masked")
                return
            if size > CONTROL_SIZE and first & CLOSE:
                self.fail(1002, "a control frame holds at most 125 bytes")
                return
            if size == 127 and have > 2 and data[at + 2] & 0x80:
                self.fail(1002, "the highest bit of a length must be 0")
                return
            head = HEAD_SIZE.get(size, HEAD_SIZE_SHORT)
            if have >= head - 4:
                if size > CONTROL_SIZE:
                    shortest = 126 if size == 126 else 2**16
                    size = int.from_bytes(data[at + 2 : at + head - 4], "big")
                    if size < shortest:
                        self.fail(1002, "a length must take as few bytes as it can")
                        return
                if not first & CLOSE and len(self._buffer) + size > self.max_size:
                    self.fail(1009, f"a message may have {self.max_size} bytes (max_message_size)")
                    return
                if have >= head:
                    self._first, self._left, self._mask = first, size, data[at + head - 4 : at + head]
                    self._at = at + head
                    return
        self._torn, self._at = data[at:], len(data)

    def _wrong_first(self, first: int) -> str:
        """What is wrong with a frame that begins so, or nothing."""
        opcode = first & 0x0F
        if first & RESERVED:
            return "reserved bits must be 0"
        if opcode not in OPCODES:
            return f"there is no opcode {opcode}"
        if opcode & CLOSE:
            return "" if first & FIN else "control frames must not be fragmented"
        if opcode == CONT:
            return "" if self._opcode != CONT else "there is no message to continue"
        return "" if self._opcode == CONT else "the message before has not ended"

    # Payloads

    def _read_payload(self) -> None:
        at, left = self._at, self._left
        data = self._data[at : at + left]
        size = len(data)
        self._at, self._left = at + size, left - size
        payload = apply_mask(data, self._mask) if size else b""
        if self._left:
            turn = size % 4
            self._mask = self._mask[turn:] + self._mask[:turn]
        if self._first & CLOSE:
            self._control += payload
            if not self._left:
                self._take_control()
        else:
            self._take_data(payload)

    def _take_data(self, payload: bytes) -> None:
        whole = not self._left
        last = whole and self._first & FIN
        if self._first & 0x0F:
            # Only the first frame of a message has an opcode; its further pieces set the same value again.
            self._opcode = self._first & 0x0F
        if last and not self._buffer and len(payload) <= LARGE:
            self._deliver(payload)
        elif not self._discarding:
            if self._opcode == TEXT and not self._is_text_so_far(payload, last=bool(last)):
                return
            self._buffer += payload
            if last:
                data, self._buffer = self._buffer, bytearray()
                self._deliver(data)
        if whole:
            self._first = -1
        if last:
            self._opcode, self._character = CONT, b""

    def _is_text_so_far(self, payload: bytes, *, last: bool) -> bool:
        """Section 8.1: fail at the first byte that no text could hold, however much is still to come."""
        if not self._character and payload.isascii():
            return True
        data = self._character + payload if self._character else payload
        try:
            _, used = utf_8_decode(data, "strict", last)
        except UnicodeDecodeError as error:
            begin = len(self._buffer) - len(self._character)
            self.fail(1007, f"not UTF-8 at position {begin + error.start}")
            return False
        self._character = data[used:]
        return True

    def _deliver(self, data: bytes | bytearray) -> None:
        if self._discarding:
            return
        if self._opcode != TEXT:
            self.message = bytes(data)
            return
        if len(data) > LARGE:
            # It was checked as it came.
            self.message = Utf8(data)
            return
        try:
            self.message = str(data, "utf-8")
        except UnicodeDecodeError as error:
            self.fail(1007, f"not UTF-8 at position {error.start}")

    def _take_control(self) -> None:
        opcode, payload = self._first & 0x0F, self._control
        self._first, self._control = -1, b""
        if opcode == PING:
            self.replies.append(frames.control(PONG, payload))
        elif opcode == CLOSE:
            self._take_close(payload)

    def _take_close(self, payload: bytes) -> None:
        code, reason = 1005, ""
        if payload:
            code = int.from_bytes(payload[:2], "big")
            if len(payload) == 1 or not frames.may_be_sent(code):
                self.fail(1002, "this is no close code")
                return
            try:
                reason = payload[2:].decode()
            except UnicodeDecodeError:
                self.fail(1007, "the reason of a close must be UTF-8")
                return
        self.close_received = True
        # Section 5.5.1: the answer repeats the code.
        self.replies += [frames.control(CLOSE, payload), b""]
        self._finish(code, reason)


def size_of(message: str | bytes) -> int:
    """The bytes of memory that ``message`` takes."""
    return sys.getsizeof(message)
