"""One connection to the server: whole messages in and out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs

from ..client.address import Address
from ..client.wire import open_wire
from ..protocol.incoming import Incoming
from ..wire import Wire
from .messages import ServerMessage, decode, encode


@attrs.define(eq=False)
class Connection:
    """A WebSocket to the server. One task receives, one sends."""

    _wire: Wire

    async def receive(self) -> ServerMessage | None:
        """The next message; None for one that means nothing to us. Cancelling it loses no message.

        Raises `WireClosed` when the connection is gone, `ProtocolError` for a message that cannot be read.
        """
        return decode(await self._wire.receive())

    async def send(self, message: Incoming) -> None:
        """Send ``message``. Raises `WireClosed`. Once it was cancelled the connection is of no more use."""
        await self._wire.send(encode(message).encode())


@asynccontextmanager
async def open_connection(address: Address) -> AsyncIterator[Connection]:
    """Connect to ``address``, and say goodbye in the end; see `open_wire`. Raises `NoConnection`."""
    async with open_wire(address) as wire:
        yield Connection(wire)
