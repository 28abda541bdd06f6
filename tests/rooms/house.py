"""Rooms without a backend, and the guests who come into them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, get_args

import attrs
import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from tests.client import Client, Heard
from tests.memory_wire import memory_wire_pair, open_in_memory
from tests.rooms.theatre import GREETING, Theatre
from trio_backend.config.system import SystemConfig
from trio_backend.errors import WireClosed
from trio_backend.protocol import Outgoing
from trio_backend.quota import MemoryQuota
from trio_backend.rooms import Rooms, SessionSource, UpstreamSession, open_local_session, open_rooms
from trio_backend.rooms.local import RoomAsClient


@attrs.define(eq=False)
class Guest:
    """A client that reads all the time; ``code`` is that of the close, once there was one."""

    _client: Client
    heard: list[Heard] = attrs.field(factory=list)
    code: int | None = None

    async def listen(self) -> None:
        try:
            while True:
                self.heard.append(json.loads(await self._client.wire.receive()))
        except WireClosed as closed:
            self.code = closed.code

    async def send(self, type: str, **fields: object) -> None:
        """Say something."""
        await self._client.say(type, **fields)

    async def say(self, *texts: str, **fields: object) -> None:
        """Say several texts, each once the one before has been understood."""
        for text in texts:
            await self.send("text-input", text=text, **fields)
            await wait_all_tasks_blocked()

    async def leave(self) -> None:
        """Close the page, and wait until what that ends has ended."""
        await self._client.wire.close()
        await wait_all_tasks_blocked()

    @property
    def types(self) -> list[str]:
        """The types of all that was heard."""
        return [message["type"] for message in self.heard]

    @property
    def codes(self) -> list[str]:
        """The codes of the errors heard."""
        return [message["code"] for message in self.heard if message["type"] == "error"]


@attrs.define(eq=False)
class House:
    """Rooms whose sessions are a theatre's."""

    rooms: Rooms
    theatre: Theatre
    nursery: trio.Nursery

    async def enter(self, room: str = "den") -> Guest:
        """A client who comes in, and has been greeted."""
        guest = self.knock(room)
        await wait_all_tasks_blocked()
        assert guest.heard == GREETING
        guest.heard.clear()
        return guest

    def knock(self, room: str = "den") -> Guest:
        """A client who comes in, greeted or not."""
        ours, theirs = memory_wire_pair()
        guest = Guest(Client(ours))
        self.nursery.start_soon(guest.listen)
        self.nursery.start_soon(self.rooms.serve, theirs, room)
        return guest


_OUTGOING = {cls.type: cls for cls in get_args(Outgoing)}


@attrs.define(eq=False)
class TheatreWire:
    """The wire of a theatre's session, whose client is a room of the same process."""

    client: RoomAsClient

    @property
    def quota(self) -> MemoryQuota:
        """The session's."""
        return self.client.quota

    async def receive(self) -> str:
        """What the room says, as JSON."""
        message = (await self.client.receive(None)).message
        return json.dumps({"type": message.type} | msgspec.to_builtins(message))

    async def send(self, message: bytes) -> None:
        """As an object."""
        fields = json.loads(message)
        if fields["type"] == "audio":
            shown = {"text": "", "name": "", "avatar": ""}
            fields = {"volumes": [], "display_text": shown, "actions": {}} | fields
            fields["audio"] = fields["audio"].encode()
        await self.client.send(msgspec.convert(fields, _OUTGOING[fields["type"]]))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `RoomAsClient.close`."""
        await self.client.close(code, reason)


def upstream(theatre: Theatre) -> SessionSource:
    """Sessions of ``theatre`` as on another server: frames go to and fro."""

    @asynccontextmanager
    async def open_session() -> AsyncIterator[UpstreamSession]:
        async with open_in_memory(theatre.serve) as wire:
            yield UpstreamSession(wire)

    return SessionSource(open_session, decoded=False)


def local(theatre: Theatre) -> SessionSource:
    """Sessions of ``theatre`` as in the process of the rooms: objects go to and fro."""

    async def serve(client: RoomAsClient) -> None:
        await theatre.serve(TheatreWire(client))

    return SessionSource(partial(open_local_session, serve, MemoryQuota), decoded=True)


@asynccontextmanager
async def open_house(
    system: SystemConfig, source: Callable[[Theatre], SessionSource] = upstream
) -> AsyncIterator[House]:
    """Rooms without a backend; a bug in them fails the test."""
    theatre = Theatre()

    async def run(async_fn: Any) -> bool:
        await async_fn()
        return True

    async with open_rooms(system, source(theatre), run) as rooms, trio.open_nursery() as nursery:
        yield House(rooms, theatre, nursery)
        nursery.cancel_scope.cancel("the test is over")
