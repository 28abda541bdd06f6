"""Finding out which connections are dead: one task for all of them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import trio

from ..errors import WireClosed
from .options import ServerOptions
from .websocket import WebSocketWire

# Pings sent before the other tasks run: a millisecond's worth.
AT_ONCE = 100


async def drop_the_dead(wires: Collection[WebSocketWire], options: ServerOptions) -> None:
    """Every ``ping_interval``, ping ``wires`` and abort those silent for ``pong_timeout``. Never ends.

    A wire on which nobody receives is left alone: its pong may lie unread in the kernel, and whoever
    sends to it has a deadline already.
    """
    while True:
        await trio.sleep(options.ping_interval)
        waiting = [wire for wire in wires if wire.waiting]
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + options.ping_interval
            for count, wire in enumerate(waiting, 1):
                # Whoever has waited for so long has been pinged the round before.
                if trio.current_time() - wire.heard_at >= options.pong_timeout:
                    nursery.start_soon(wire.abort, name="drop")
                elif not wire.ping_nowait():
                    nursery.start_soon(_ping, wire, name="ping")
                if count % AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()


async def _ping(wire: WebSocketWire) -> None:
    # If that fails, the task that receives on the wire learns it.
    with suppress(WireClosed):
        await wire.ping()
