"""`Rooms`: all rooms of a server, and the forwarders that run their turns.

The first client that joins a room opens it, the last that leaves closes it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import attrs
import trio
from loguru import logger

from ..errors import WireClosed
from ..protocol import Error, encode
from ..quota import MemoryQuota
from ..user import NOBODY, User
from ..wire import Wire
from .members import Member
from .options import RoomsOptions
from .room import Room
from .session import SessionSource

RunIsolated: TypeAlias = Callable[[Callable[[], Awaitable[None]]], Awaitable[bool]]
"""Runs a function; False if it ended with a bug, which was logged."""

DEFAULT_ROOM = "default"
_NAME = re.compile(r"[\w.-]{1,64}")


@attrs.frozen
class RoomStatistics:
    """One room at one moment: ``waiting`` of at most ``capacity`` messages; ``busy`` while a turn runs."""

    name: str
    clients: int
    waiting: int
    capacity: int
    busy: bool


@attrs.frozen
class RoomsStatistics:
    """All rooms at one moment: turns that run, and messages that wait."""

    rooms: int
    clients: int
    waiting: int
    turns: int


@attrs.define(eq=False)
class Rooms:
    """Serves clients in rooms, as many at once as ``max_rooms``; see `open_rooms`."""

    _options: RoomsOptions
    _source: SessionSource
    _run_isolated: RunIsolated
    _nursery: trio.Nursery
    _ready_rooms: trio.MemorySendChannel[Room]
    _quota: MemoryQuota = attrs.field(factory=MemoryQuota, kw_only=True)
    """What all clients' data may take."""
    _rooms: dict[str, Room] = attrs.field(factory=dict, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    def close(self) -> None:
        """Serve no new client: the nursery is about to be left."""
        self._closed = True

    def statistics(self) -> RoomsStatistics:
        """How full the rooms are."""
        rooms = self.each()
        return RoomsStatistics(
            len(rooms),
            sum(room.clients for room in rooms),
            sum(room.waiting for room in rooms),
            sum(room.busy for room in rooms),
        )

    def each(self) -> list[RoomStatistics]:
        """How full each room is."""
        capacity = self._options.limits.queue
        return [
            RoomStatistics(room.name, len(room.members.present), room.waiting, capacity, room.busy)
            for room in self._rooms.values()
        ]

    async def serve(self, wire: Wire, name: str, user: User = NOBODY) -> None:
        """Serve the client at ``wire``, of ``user``, in the room ``name``, until it leaves.

        Where it may not join it is told why, and its wire is closed. A cancel leaves the wire open.
        """
        if not self._options.enabled:
            message = "rooms are switched off here: system_config.enable_proxy: true switches them on"
            await _refuse(wire, Error(message, "proxy-disabled"), 1008)
        elif not _NAME.fullmatch(name):
            message = "a room's name has 1 to 64 letters, digits, dots, hyphens and underscores"
            await _refuse(wire, Error(message, "bad-room"), 1008)
        elif self._closed:
            await _refuse(wire, Error("the server is shutting down", "shutting-down"), 1001)
        elif name not in self._rooms and len(self._rooms) >= self._options.max_rooms:
            message = f"there are {len(self._rooms)} rooms already: join one of them, or come back later"
            await _refuse(wire, Error(message, "too-many-rooms"), 1013)
        else:
            member = Member.of(wire, user, outbox=self._options.outbox, limit=self._options.rate())
            await self._admit(member, self._rooms.get(name) or self._open(name))

    async def _admit(self, member: Member, room: Room) -> None:
        room.members.add(member)
        room.follow_members()
        try:
            with member.gone:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(member.write, name=f"{room}/writer")
                    await room.listen(member)
        finally:
            room.members.remove(member)
            room.follow_members()
            if not room.members.present:
                self._forget(room)
                room.close("the last client has left")
        await member.close_wire()

    def _open(self, name: str) -> Room:
        room = self._rooms[name] = Room(name, self._source, self._options.limits, self._quota)
        self._nursery.start_soon(self._keep, room, name=str(room))
        return room

    async def _keep(self, room: Room) -> None:
        async def live() -> None:
            await room.live(self._ready_rooms)

        logger.info("{} is open", room)
        if not await self._run_isolated(live):
            for member in room.members.present:
                member.disconnect(1011, "internal error")
        self._forget(room)
        logger.info("{} is closed", room)

    def _forget(self, room: Room) -> None:
        """Let the next client that asks for this name open a new room."""
        if self._rooms.get(room.name) is room:
            del self._rooms[room.name]


async def _refuse(wire: Wire, error: Error, code: int) -> None:
    with suppress(WireClosed):
        await wire.send(encode(error))
    await wire.close(code, error.code)


@asynccontextmanager
async def open_rooms(
    options: RoomsOptions,
    source: SessionSource,
    run_isolated: RunIsolated,
    quota: MemoryQuota | None = None,
) -> AsyncIterator[Rooms]:
    """Rooms whose sessions are those of ``source``; leaving the block closes all.

    What waits in them is claimed of ``quota``, that of all clients.
    """
    # No capacity: a ready room blocks in `send`, in the order in which rooms became ready. A room that is
    # closed meanwhile leaves the line at once.
    put, ready_rooms = trio.open_memory_channel[Room](0)
    async with trio.open_nursery() as nursery:
        for number in range(options.forwarders if options.enabled else 0):
            nursery.start_soon(_forward, ready_rooms, run_isolated, name=f"forwarder {number + 1}")
        rooms = Rooms(options, source, run_isolated, nursery, put, quota=quota or MemoryQuota())
        try:
            yield rooms
        finally:
            rooms.close()
            nursery.cancel_scope.cancel("the rooms close")


async def _forward(ready_rooms: trio.MemoryReceiveChannel[Room], run_isolated: RunIsolated) -> None:
    """For ever: take the room that has waited longest, and run one turn until its sound was sent."""
    async for room in ready_rooms:
        # When this returns the room may still be playing; that takes no forwarder.
        await run_isolated(room.run_next)
        del room
