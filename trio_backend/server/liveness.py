"""Finding out which connections are dead: one task for all of them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import partial

import trio

from ..boundary import UNCOUNTED, Boundary
from ..errors import WireClosed
from .options import ServerOptions
from .websocket import WebSocketWire

# Pings sent before the other tasks run: a millisecond's worth.
AT_ONCE = 100


async def drop_the_dead(
    wires: Collection[WebSocketWire], options: ServerOptions, boundary: Boundary = UNCOUNTED
) -> None:
    """Every ``ping_interval``, ping ``wires`` and abort those silent for ``pong_timeout``. Never ends.

    A wire on which nobody receives is left alone: its pong may lie unread in the kernel, and whoever
    sends to it has a deadline already. A bug that one wire brings to light ends that wire.
    """
    while True:
        await trio.sleep(options.ping_interval)
        waiting = [wire for wire in wires if wire.waiting]
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + options.ping_interval
            for count, wire in enumerate(waiting, 1):
                if not await boundary.run("liveness", partial(_look_after, wire, options, nursery, boundary)):
                    nursery.start_soon(boundary.run, "liveness", wire.abort, name="drop")
                if count % AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()


async def _look_after(
    wire: WebSocketWire, options: ServerOptions, nursery: trio.Nursery, boundary: Boundary
) -> None:
    """Start what takes a wait in ``nursery``; this itself does not wait."""
    # Whoever has waited for so long has been pinged the round before.
    if trio.current_time() - wire.heard_at >= options.pong_timeout:
        nursery.start_soon(boundary.run, "liveness", wire.abort, name="drop")
    elif not wire.ping_nowait():
        nursery.start_soon(boundary.run, "liveness", partial(_ping, wire), name="ping")


async def _ping(wire: WebSocketWire) -> None:
    # If that fails, the task that receives on the wire learns it.
    with suppress(WireClosed):
        await wire.ping()
