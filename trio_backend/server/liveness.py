"""Finding out which connections are dead: one task for all of them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

import trio

from ..errors import WireClosed
from .options import ServerOptions
from .websocket import WebSocketWire


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
            for wire in waiting:
                nursery.start_soon(_probe, wire, options.pong_timeout, name="ping")


async def _probe(wire: WebSocketWire, pong_timeout: float) -> None:
    # Whoever has waited for so long has been pinged the round before.
    if trio.current_time() - wire.heard_at >= pong_timeout:
        await wire.abort()
        return
    # If that fails, the task that receives on the wire learns it.
    with suppress(WireClosed):
        await wire.ping()
