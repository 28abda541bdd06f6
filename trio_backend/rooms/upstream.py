"""The session of a room on another server, over the network: what passes is looked at, and not decoded."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from ..client.address import parse_address
from ..client.connection import ClientWire, open_wire
from ..errors import WireClosed
from ..protocol import Decoded
from ..protocol.codec import read_head
from ..wire import Wire
from .link import FromSession, ToSession


@attrs.frozen
class UpstreamSession:
    """A `RoomSession` at the other end of a wire."""

    _wire: Wire

    async def send(self, message: ToSession) -> None:
        """See `RoomSession.send`."""
        assert not isinstance(message, Decoded)
        await self._wire.send(message if isinstance(message, bytes) else message.encode())

    async def receive(self) -> FromSession:
        """See `RoomSession.receive`."""
        while True:
            frame = await self._wire.receive()
            # No server of this protocol sends binary frames.
            if isinstance(frame, str):
                return FromSession(read_head(frame), frame.encode())


@asynccontextmanager
async def open_upstream(
    url: str, *, ping_interval: float, pong_timeout: float
) -> AsyncIterator[UpstreamSession]:
    """A session of the server at ``url``; it ends when that answers no ping for ``pong_timeout`` seconds.

    Raises `NoConnection`, and `WireClosed` inside an `ExceptionGroup`.
    """
    async with open_wire(parse_address(url)) as wire, trio.open_nursery() as nursery:
        nursery.start_soon(_ping, wire, ping_interval, pong_timeout, name="upstream/pings")
        yield UpstreamSession(wire)
        nursery.cancel_scope.cancel("the connection is over")


async def _ping(wire: ClientWire, interval: float, timeout: float) -> None:
    while True:
        await trio.sleep(interval)
        with trio.move_on_after(timeout) as waiting:
            await wire.ping()
        if waiting.cancelled_caught:
            raise WireClosed(1006, f"no answer to a ping within {timeout:g} s")
