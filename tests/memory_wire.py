"""A wire without a network: two ends, no capacity in between, so that a writer nobody reads blocks."""

from __future__ import annotations

import attrs
import trio

from trio_backend.errors import WireClosed


@attrs.define
class _Goodbye:
    code: int = 1006


@attrs.define(eq=False)
class MemoryWire:
    """One end. What one sends, the other receives; a close, and its code, are seen by both."""

    _send: trio.MemorySendChannel[str | bytes]
    _receive: trio.MemoryReceiveChannel[str | bytes]
    _goodbye: _Goodbye

    async def receive(self) -> str | bytes:
        """See `Wire.receive`."""
        try:
            return await self._receive.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise WireClosed(self._goodbye.code) from None

    async def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        try:
            await self._send.send(message.decode())
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise WireClosed(self._goodbye.code) from None

    async def send_binary(self, message: bytes) -> None:
        """What a client does that sends a binary frame."""
        await self._send.send(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Wire.close`."""
        del reason
        if self._goodbye == _Goodbye():
            self._goodbye.code = code
        self._send.close()
        self._receive.close()
        await trio.lowlevel.checkpoint()


def memory_wire_pair() -> tuple[MemoryWire, MemoryWire]:
    """The client's end and the server's."""
    to_server, from_client = trio.open_memory_channel[str | bytes](0)
    to_client, from_server = trio.open_memory_channel[str | bytes](0)
    goodbye = _Goodbye()
    return MemoryWire(to_server, from_server, goodbye), MemoryWire(to_client, from_client, goodbye)
