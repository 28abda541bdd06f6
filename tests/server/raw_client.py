"""A WebSocket client written by hand, so that what it checks owes nothing to the library under test."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bool = True, reserved: int = 0
) -> bytes:
    """One frame as a client sends it; ``reserved`` are the three RSV bits as a number."""
    first = (0x80 if fin else 0) | (reserved << 4) | opcode
    head = announce(first, len(payload), mask=mask)
    return head + (MASK + masked(payload) if mask else payload)


def announce(first: int, size: int, *, mask: bool = True) -> bytes:
    """The head of a frame: its first byte, and a length that need not be true."""
    flag = 0x80 if mask else 0
    if size < 126:
        return bytes([first, flag | size])
    if size < 2**16:
        return struct.pack("!BBH", first, flag | 126, size)
    return struct.pack("!BBQ", first, flag | 127, size)


def masked(payload: bytes) -> bytes:
    """``payload`` XOR the mask."""
    size = len(payload)
    mask = (MASK * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")


def close_frame(code: int, reason: bytes = b"") -> bytes:
    return frame(CLOSE, struct.pack("!H", code) + reason)


def handshake(
    path: str = "/echo", *, line: str = "", fields: Mapping[str, str | None] | None = None
) -> bytes:
    """An opening request; ``fields`` replaces headers, or drops those that are None."""
    headers: dict[str, str | None] = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
        **(fields or {}),
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([line or f"GET {path} HTTP/1.1", *lines, "", ""]).encode("latin-1")


@attrs.frozen
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@attrs.define(eq=False)
class RawClient:
    """Bytes out, frames in. Every wait has a deadline: ``timeout`` seconds."""

    stream: trio.abc.Stream
    timeout: float = 10
    _buffer: bytearray = attrs.field(factory=bytearray)

    async def send(self, *data: bytes) -> None:
        with trio.fail_after(self.timeout):
            await self.stream.send_all(b"".join(data))

    async def open(self, path: str = "/echo") -> None:
        """Become a WebSocket."""
        await self.send(handshake(path))
        assert (await self.answer()).status == 101

    async def answer(self, *, body: bool = True) -> Answer:
        """The next HTTP answer. Those to HEAD have no ``body``."""
        head = (await self._until(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers: dict[str, str] = {}
        for name, value in (line.split(": ", 1) for line in lines):
            # Several fields of one name are one list (RFC 9110, section 5.3).
            headers[name.lower()] = ", ".join(filter(None, [headers.get(name.lower()), value]))
        size = int(headers.get("content-length", "0")) if body else 0
        return Answer(int(first.split(" ")[1]), headers, await self._exactly(size))

    async def frame(self) -> tuple[int, bytes]:
        """The first byte and the payload of the next frame; it must not be masked."""
        first, length = await self._exactly(2)
        assert length < 128, "a server must not mask"
        if length == 126:
            (length,) = struct.unpack("!H", await self._exactly(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self._exactly(8))
        return first, await self._exactly(length)

    async def message(self) -> str:
        """The next frame, which must be a whole text message."""
        first, payload = await self.frame()
        assert first == 0x80 | TEXT
        return payload.decode()

    async def closed(self) -> int:
        """The code of the close frame that comes next, followed by the end of the stream; 1005 for none."""
        first, payload = await self.frame()
        assert first == 0x80 | CLOSE, (hex(first), payload)
        payload[2:].decode()
        await self.ended()
        return int.from_bytes(payload[:2], "big") if payload else 1005

    async def ended(self) -> None:
        """The server closes the connection, and says nothing more."""
        assert not self._buffer
        with trio.fail_after(self.timeout):
            assert await self.stream.receive_some() == b""

    async def lost(self) -> None:
        """The server ends the connection, be it with a reset."""
        with trio.fail_after(self.timeout):
            try:
                while await self.stream.receive_some():
                    pass
            except trio.BrokenResourceError:
                pass

    async def reset(self) -> None:
        """Go away with a TCP reset, as a crashed machine or a cut cable would look in the end."""
        assert isinstance(self.stream, trio.SocketStream)
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(self.stream)

    async def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            await self._more()
        size = self._buffer.index(end) + len(end)
        return await self._exactly(size)

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            await self._more()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def _more(self) -> None:
        with trio.fail_after(self.timeout):
            data = await self.stream.receive_some()
        assert data, "the server closed the connection"
        self._buffer += data


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[RawClient]:
    """A TCP connection to the server on this machine."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield RawClient(stream)


@asynccontextmanager
async def connect_websocket(port: int, path: str = "/echo") -> AsyncIterator[RawClient]:
    """A WebSocket, ready for frames."""
    async with connect(port) as client:
        await client.open(path)
        yield client
