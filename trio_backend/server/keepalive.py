"""Pings for idle WebSockets, by one task for all of them."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import partial

import trio

from ..boundary import UNCOUNTED, Boundary
from ..errors import WireClosed
from .options import ServerOptions
from .timeouts import SUSPENDED
from .websocket import WebSocketWire

# Pings that are sent before the other tasks run: they take about a millisecond.
BATCH = 100


async def ping_idle_connections(
    wires: Collection[WebSocketWire], options: ServerOptions, boundary: Boundary = UNCOUNTED
) -> None:
    """Ping ``wires`` every ``ping_interval``, and abort those silent for ``pong_timeout``; until cancelled.

    A wire on which no task receives is left alone: its pong may lie unread in the kernel, and sends to it
    have a deadline of their own. After the process was suspended (SIGSTOP, a closed laptop, a machine that
    swaps), the time of all wires starts again, since none of them could be read. A bug in pinging one wire
    ends that wire only.
    """
    while True:
        due = trio.current_time() + options.ping_interval
        await trio.sleep_until(due)
        late = trio.current_time() - due
        receiving = [wire for wire in wires if wire.receiving]
        # What came while we were late is in the kernel, and must be read before any wire is judged. In the
        # first pass of the scheduler Trio sees that it is there, in the second one the tasks read it.
        await trio.lowlevel.checkpoint()
        await trio.lowlevel.checkpoint()
        if late >= SUSPENDED:
            for wire in receiving:
                wire.received_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.deadline = trio.current_time() + options.ping_interval
            for count, wire in enumerate(receiving, 1):
                # The time by which we are late does not count as the client's silence.
                silent_since = trio.current_time() - late - options.pong_timeout
                if not await boundary.run(
                    "pings", partial(_ping_or_abort, wire, silent_since, nursery, boundary)
                ):
                    nursery.start_soon(boundary.run, "pings", wire.abort, name="abort")
                if count % BATCH == 0:
                    await trio.lowlevel.checkpoint()


async def _ping_or_abort(
    wire: WebSocketWire, silent_since: float, nursery: trio.Nursery, boundary: Boundary
) -> None:
    """Abort ``wire`` if silent since ``silent_since``, or ping it. What has to wait runs in ``nursery``."""
    # A wire that has been silent for so long was pinged in the round before: `pong_timeout` is the longer
    # one.
    if wire.received_at <= silent_since:
        nursery.start_soon(boundary.run, "pings", wire.abort, name="abort")
    elif not wire.ping_nowait():
        nursery.start_soon(boundary.run, "pings", partial(_ping, wire), name="ping")


async def _ping(wire: WebSocketWire) -> None:
    # If the ping fails, the task that receives on the wire gets `WireClosed` too.
    with suppress(WireClosed):
        await wire.ping()
