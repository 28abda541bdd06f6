"""A wire without a network, for a program that embeds a backend: two ends, and no capacity in between.

So a send waits until the other end receives.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import trio

from ..errors import WireClosed
from ..protocol import Binary
from ..quota import MemoryQuota
from ..wire import Wire


@attrs.define
class _WireCloseCode:
    code: int = 1006


@attrs.define(eq=False)
class MemoryWire:
    """One end of a wire: the other end receives what this one sends. A close ends both, with its code."""

    _send: trio.MemorySendChannel[str | bytes]
    _receive: trio.MemoryReceiveChannel[str | bytes]
    _closed: _WireCloseCode
    quota: MemoryQuota = attrs.field(factory=MemoryQuota, kw_only=True)

    async def receive(self) -> str | bytes:
        """See `Wire.receive`."""
        try:
            return await self._receive.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise WireClosed(self._closed.code) from None

    async def send(self, message: bytes) -> None:
        """See `Wire.send`. Cancelling it has sent nothing, and closes nothing."""
        await self._put(_frame(message))

    async def send_at_once(self, message: bytes) -> bool:
        """See `SendsAtOnce`: nothing need wait if the other end is receiving."""
        try:
            self._send.send_nowait(_frame(message))
        except (trio.WouldBlock, trio.BrokenResourceError, trio.ClosedResourceError):
            return False
        return True

    async def send_binary(self, message: bytes) -> None:
        """Send a binary frame, which the protocol does not know."""
        await self._put(message)

    async def _put(self, frame: str | bytes) -> None:
        try:
            await self._send.send(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise WireClosed(self._closed.code) from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Wire.close`."""
        del reason
        self.close_nowait(code)
        await trio.lowlevel.checkpoint()

    def close_nowait(self, code: int = 1000) -> None:
        """As `close`, without a checkpoint. The code of the first close counts."""
        if self._closed == _WireCloseCode():
            self._closed.code = code
        self._send.close()
        self._receive.close()


def _frame(message: bytes) -> str | bytes:
    return message if isinstance(message, Binary) else message.decode()


def memory_wire_pair() -> tuple[MemoryWire, MemoryWire]:
    """The client's end and the server's."""
    to_server, from_client = trio.open_memory_channel[str | bytes](0)
    to_client, from_server = trio.open_memory_channel[str | bytes](0)
    closed = _WireCloseCode()
    return MemoryWire(to_server, from_server, closed), MemoryWire(to_client, from_client, closed)


@asynccontextmanager
async def open_in_memory(serve: Callable[[Wire], Awaitable[None]]) -> AsyncIterator[Wire]:
    """A wire whose other end ``serve`` has, for as long as the block lasts; then ``serve`` is cancelled.

    If ``serve`` returns before that, the wire is closed.
    """
    ours, theirs = memory_wire_pair()

    async def run() -> None:
        try:
            await serve(theirs)
        finally:
            theirs.close_nowait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, name="server in memory")
        yield ours
        nursery.cancel_scope.cancel("the block is over")
