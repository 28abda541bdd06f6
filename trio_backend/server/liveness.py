"""Finding out which connections are dead: one task for all of them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import partial

import trio

from ..boundary import UNCOUNTED, Boundary
from ..errors import WireClosed
from .options import ServerOptions
from .patience import PAUSE
from .websocket import WebSocketWire

# Pings sent before the other tasks run: a millisecond's worth.
AT_ONCE = 100


async def drop_the_dead(
    wires: Collection[WebSocketWire], options: ServerOptions, boundary: Boundary = UNCOUNTED
) -> None:
    """Every ``ping_interval``, ping ``wires`` and abort those silent for ``pong_timeout``. Never ends.

    A wire on which nobody receives is left alone: its pong may lie unread in the kernel, and whoever
    sends to it has a deadline already. So are all for which nobody could receive, since the process was
    stopped (SIGSTOP, a closed laptop, a machine that swaps): they have their whole time again. A bug that
    one wire brings to light ends that wire.
    """
    while True:
        due = trio.current_time() + options.ping_interval
        await trio.sleep_until(due)
        late = trio.current_time() - due
        waiting = [wire for wire in wires if wire.waiting]
        # What came while we were late is there: it is to be read before anybody is judged. One pass sees
        # it, the next one reads it.
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        if late >= PAUSE:
            for wire in waiting:
                wire.heard_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + options.ping_interval
            for count, wire in enumerate(waiting, 1):
                # The time by which we are late is not the client's silence.
                dead_since = trio.current_time() - late - options.pong_timeout
                if not await boundary.run(
                    "liveness", partial(_look_after, wire, dead_since, nursery, boundary)
                ):
                    nursery.start_soon(boundary.run, "liveness", wire.abort, name="drop")
                if count % AT_ONCE == 0:
                    await trio.lowlevel.checkpoint()


async def _look_after(
    wire: WebSocketWire, dead_since: float, nursery: trio.Nursery, boundary: Boundary
) -> None:
    """Drop who was last heard at ``dead_since`` or before, or ping; what takes a wait, in ``nursery``."""
    # Whoever has waited for so long has been pinged the round before.
    if wire.heard_at <= dead_since:
        nursery.start_soon(boundary.run, "liveness", wire.abort, name="drop")
    elif not wire.ping_nowait():
        nursery.start_soon(boundary.run, "liveness", partial(_ping, wire), name="ping")


async def _ping(wire: WebSocketWire) -> None:
    # If that fails, the task that receives on the wire learns it.
    with suppress(WireClosed):
        await wire.ping()
