"""Rooms without a backend, and the guests who come into them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
from trio.testing import wait_all_tasks_blocked

from tests.client import Client, Heard
from tests.rooms.theatre import GREETING, Theatre
from trio_backend.config.system import SystemConfig
from trio_backend.errors import WireClosed
from trio_backend.rooms import Rooms, open_in_memory, open_rooms
from trio_backend.rooms.memory_wire import memory_wire_pair


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


@asynccontextmanager
async def open_house(system: SystemConfig) -> AsyncIterator[House]:
    """Rooms without a backend; a bug in them fails the test."""
    theatre = Theatre()

    async def no_fence(async_fn: Any) -> bool:
        await async_fn()
        return True

    def open_session() -> Any:
        return open_in_memory(theatre.serve)

    async with open_rooms(system, open_session, no_fence) as rooms, trio.open_nursery() as nursery:
        yield House(rooms, theatre, nursery)
        nursery.cancel_scope.cancel("the test is over")
