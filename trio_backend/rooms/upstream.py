"""The session of a room on another server, over the network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from ..client.address import parse_address
from ..client.connection import ClientWire, open_wire
from ..errors import WireClosed
from ..wire import Wire


@asynccontextmanager
async def open_upstream(url: str, *, ping_interval: float, pong_timeout: float) -> AsyncIterator[Wire]:
    """A connection to the server at ``url``, which closes when that answers no ping for ``pong_timeout``.

    Raises `NoConnection`, and `WireClosed` inside an `ExceptionGroup`.
    """
    async with open_wire(parse_address(url)) as wire, trio.open_nursery() as nursery:
        nursery.start_soon(_ping, wire, ping_interval, pong_timeout, name="upstream/pings")
        yield wire
        nursery.cancel_scope.cancel("the connection is over")


async def _ping(wire: ClientWire, interval: float, patience: float) -> None:
    while True:
        await trio.sleep(interval)
        with trio.move_on_after(patience) as scope:
            await wire.ping()
        if scope.cancelled_caught:
            raise WireClosed(1006, f"no answer to a ping within {patience:g} s")
