"""`Link`: the way from a room to its session, made anew whenever it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

import attrs
import trio
from loguru import logger

from ..client.backoff import Backoff
from ..errors import NoConnection, WireClosed, first_leaf
from ..wire import Wire

OpenWire: TypeAlias = Callable[[], AbstractAsyncContextManager[Wire]]

# A link that held so long was a good one: the next attempt after it need not wait long.
GOOD = 30.0
# How long a session may take to say who it is.
GREETING_TIMEOUT = 10.0
BACKOFF = Backoff(first=0.25, longest=15.0, give_up=math.inf)


class LinkEnd(Protocol):
    """Who is at our end of the link. Neither call may wait: the session stands still until they return."""

    @property
    def greeted(self) -> bool:
        """Whether the session has said who it is."""
        ...

    def link_up(self) -> None:
        """A new session is there; nothing is known of any before it."""
        ...

    def link_said(self, frame: str) -> None:
        """The session sent ``frame``."""
        ...

    def link_down(self, why: str) -> None:
        """The session is gone, or could not be reached; another attempt follows."""
        ...


@attrs.define(eq=False)
class Link:
    """`keep` is its life; `send` is for everybody, and fails while there is no session."""

    _open: OpenWire
    _end: LinkEnd
    _frames: trio.MemorySendChannel[tuple[bytes, ...]] | None = attrs.field(default=None, init=False)

    @property
    def up(self) -> bool:
        return self._frames is not None

    async def send(self, *frames: bytes) -> None:
        """Send ``frames`` with nothing in between; returns when they are on their way.

        Cancelling it has sent nothing. Raises `WireClosed` where there is no session.
        """
        if self._frames is None:
            raise WireClosed
        try:
            # One task writes, so that whoever is cancelled here cannot tear a frame.
            await self._frames.send(frames)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise WireClosed from error

    async def keep(self) -> None:
        """Hold a session until cancelled; after each loss wait longer, unless the last one held long."""
        waits = BACKOFF.waits()
        while True:
            began = trio.current_time()
            try:
                async with self._open() as wire:
                    await self._converse(wire)
            except* (NoConnection, WireClosed) as group:
                why = str(first_leaf(group))
            logger.warning("a room has lost its session: {}", why)
            self._end.link_down(why)
            if trio.current_time() - began > GOOD:
                waits = BACKOFF.waits()
            await trio.sleep(next(waits))

    async def _converse(self, wire: Wire) -> None:
        """Read and write until the wire closes, which is raised as `WireClosed`."""
        put, get = trio.open_memory_channel[tuple[bytes, ...]](0)
        with put, get:
            self._frames = put
            self._end.link_up()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_write, wire, get, name="room/writer")
                    await self._read(wire)
            finally:
                self._frames = None

    async def _read(self, wire: Wire) -> None:
        with trio.move_on_after(GREETING_TIMEOUT) as patience:
            while not self._end.greeted:
                await self._read_one(wire)
        if patience.cancelled_caught:
            raise WireClosed(1002, f"no greeting within {GREETING_TIMEOUT:.0f} s")
        while True:
            await self._read_one(wire)

    async def _read_one(self, wire: Wire) -> None:
        frame = await wire.receive()
        # No server of this protocol sends binary frames.
        if isinstance(frame, str):
            self._end.link_said(frame)


async def _write(wire: Wire, batches: trio.MemoryReceiveChannel[tuple[bytes, ...]]) -> None:
    async for batch in batches:
        for frame in batch:
            await wire.send(frame)
        del batch
