"""`Received`: what a server sent on one connection, as an HTTP head and WebSocket frames."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

from tests.server.raw_client import CLOSE

from .subject import Fault

INTERNAL_ERROR = 1011


@attrs.define(eq=False)
class Received:
    """Is fed bytes. Raises `Fault` at an answer 500, and at close 1011, unless that ``echoes`` ours."""

    echoes: bool = False
    head: bytes = attrs.field(default=b"", init=False)
    _buffer: bytearray = attrs.field(factory=bytearray, init=False)

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are whole now: first byte and payload. There are none behind plain answers."""
        self._buffer += data
        if not self.head:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self.head, self._buffer = bytes(head), rest
            if re.match(rb"HTTP/1\.[01] 500 ", self.head):
                raise Fault(f"answered with {self.head[:40]!r}")
        while self.head.startswith(b"HTTP/1.1 101 ") and (found := self._next()) is not None:
            first, payload = found
            internal = int.from_bytes(payload[:2], "big") == INTERNAL_ERROR
            if first & 0xF == CLOSE and internal and not self.echoes:
                raise Fault(f"close 1011 {payload[2:].decode('utf-8', 'replace')}")
            yield found

    def _next(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < 2:
            return None
        size, at = self._buffer[1] & 0x7F, 2
        if size >= 126:
            at += 2 if size == 126 else 8
            size = int.from_bytes(self._buffer[2:at], "big")
        if len(self._buffer) < at + size:
            return None
        found = self._buffer[0], bytes(self._buffer[at : at + size])
        del self._buffer[: at + size]
        return found
