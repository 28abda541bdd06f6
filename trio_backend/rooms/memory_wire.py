"""A wire without a network: two ends, no capacity in between, so that a writer whom nobody reads blocks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import trio

from ..errors import WireClosed
from ..quota import MemoryQuota
from ..wire import Wire


@attrs.define
class _Goodbye:
    code: int = 1006


@attrs.define(eq=False)
class MemoryWire:
    """One end. What one sends, the other receives; a close, and its code, are seen by both."""

    _send: trio.MemorySendChannel[str | bytes]
    _receive: trio.MemoryReceiveChannel[str | bytes]
    _goodbye: _Goodbye
    quota: MemoryQuota = attrs.field(factory=MemoryQuota, kw_only=True)

    async def receive(self) -> str | bytes:
        """See `Wire.receive`."""
        try:
            return await self._receive.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            raise WireClosed(self._goodbye.code) from None

    async def send(self, message: bytes) -> None:
        """See `Wire.send`. Cancelling it has sent nothing, and closes nothing."""
        await self._put(message.decode())

    async def send_binary(self, message: bytes) -> None:
        """Send a binary frame, which the protocol does not know."""
        await self._put(message)

    async def _put(self, frame: str | bytes) -> None:
        try:
            await self._send.send(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise WireClosed(self._goodbye.code) from None

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


@asynccontextmanager
async def open_in_memory(
    serve: Callable[[Wire], Awaitable[None]], new_quota: Callable[[], MemoryQuota] = MemoryQuota
) -> AsyncIterator[Wire]:
    """A wire whose other end ``serve`` has, for as long as the block lasts; then ``serve`` is cancelled.

    If ``serve`` returns before that, the wire is closed. What ``serve`` keeps, it claims of a ``new_quota``.
    """
    ours, theirs = memory_wire_pair()
    theirs.quota = new_quota()

    async def run() -> None:
        try:
            await serve(theirs)
        finally:
            with trio.CancelScope(shield=True):
                await theirs.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, name="session of a room")
        yield ours
        nursery.cancel_scope.cancel("the room is over")
