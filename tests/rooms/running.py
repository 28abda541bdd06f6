"""Rooms without a backend, and clients who join them."""

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
from tests.rooms.scripted import GREETING, ScriptedSessions
from trio_backend.config.system import SystemConfig
from trio_backend.conversation.events import (
    InputDropped,
    Outcome,
    Speaker,
    SpeechComplete,
    TurnEnded,
    TurnEvent,
    TurnId,
    TurnStarted,
)
from trio_backend.conversation.timeline import Timeline
from trio_backend.errors import WireClosed
from trio_backend.identity import RequestId
from trio_backend.protocol import Outgoing
from trio_backend.quota import MemoryQuota
from trio_backend.rooms import (
    Rooms,
    RoomsOptions,
    SessionSource,
    open_local_session,
    open_rooms,
    open_session_on,
)
from trio_backend.rooms.local import RoomAsClient
from trio_backend.rooms.upstream import UpstreamSession
from trio_backend.user import NOBODY, User


@attrs.define(eq=False)
class RoomClient:
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
class RunningRooms:
    """Rooms whose sessions are scripted."""

    rooms: Rooms
    sessions: ScriptedSessions
    nursery: trio.Nursery

    async def join(self, room: str = "den", user: User = NOBODY) -> RoomClient:
        """A client who has joined, and has been greeted."""
        client = self.connect(room, user)
        await wait_all_tasks_blocked()
        assert client.heard == GREETING
        client.heard.clear()
        return client

    def connect(self, room: str = "den", user: User = NOBODY) -> RoomClient:
        """A client who joins, greeted or not."""
        ours, theirs = memory_wire_pair()
        client = RoomClient(Client(ours))
        self.nursery.start_soon(client.listen)
        self.nursery.start_soon(self.rooms.serve, theirs, room, user)
        return client


def _event(what: str, number: int, request: RequestId | None) -> TurnEvent:
    turn = TurnId(number)
    match what:
        case "started":
            return TurnStarted(turn, Speaker("Mao"), request)
        case "spoken":
            return SpeechComplete(turn, 3.0)
        case "ended":
            return TurnEnded(turn, Outcome.COMPLETED, "", Timeline(), request)
    assert request is not None
    return InputDropped(request, refused=True)


def _outgoing(fields: Heard) -> Outgoing:
    if fields["type"] == "audio":
        shown = {"text": "", "name": "", "avatar": ""}
        more: Heard = {"volumes": [], "display_text": shown, "actions": {}}
        fields = more | fields | {"audio": fields["audio"].encode()}
    return msgspec.convert(fields, _OUTGOING[fields["type"]])


# Of several classes with one type, the first is what a client without a hello gets.
_OUTGOING: dict[str, type[Outgoing]] = {cls.type: cls for cls in reversed(get_args(Outgoing))}


@attrs.define(eq=False)
class ScriptedWire:
    """The wire of a scripted session whose client is a room of the same process."""

    client: RoomAsClient

    @property
    def quota(self) -> MemoryQuota:
        """The session's."""
        return self.client.quota

    async def receive(self) -> str:
        """What the room says, as JSON."""
        decoded = await self.client.receive(None)
        message = decoded.message
        fields = {"type": message.type, "request": decoded.request}
        return json.dumps(fields | msgspec.to_builtins(message))

    async def send(self, message: bytes) -> None:
        """As an object, with the event that it tells."""
        fields = json.loads(message)
        event = fields.pop("event", None)
        outgoing = _outgoing(fields) if fields else None
        if event is not None:
            try:
                await self.client.outbox.send((_event(*event), outgoing))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise WireClosed from None
        elif outgoing is not None:
            await self.client.send(outgoing)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `RoomAsClient.close`."""
        await self.client.close(code, reason)


def upstream(sessions: ScriptedSessions) -> SessionSource:
    """Sessions of ``sessions`` as on another server: frames go to and fro."""

    @asynccontextmanager
    async def open_session() -> AsyncIterator[UpstreamSession]:
        async with open_in_memory(sessions.serve) as wire, open_session_on(wire) as session:
            yield session

    return SessionSource(open_session, decoded=False)


def local(sessions: ScriptedSessions) -> SessionSource:
    """Sessions of ``sessions`` as in the process of the rooms: objects go to and fro."""

    sessions.tells_events = True

    async def serve(client: RoomAsClient) -> None:
        await sessions.serve(ScriptedWire(client))

    return SessionSource(partial(open_local_session, serve, MemoryQuota), decoded=True)


@asynccontextmanager
async def open_running_rooms(
    system: SystemConfig, source: Callable[[ScriptedSessions], SessionSource] = upstream
) -> AsyncIterator[RunningRooms]:
    """Rooms without a backend; a bug in them fails the test."""
    sessions = ScriptedSessions()

    async def run(async_fn: Any) -> bool:
        await async_fn()
        return True

    async with (
        open_rooms(RoomsOptions.of(system), source(sessions), run) as rooms,
        trio.open_nursery() as nursery,
    ):
        yield RunningRooms(rooms, sessions, nursery)
        nursery.cancel_scope.cancel("the test is over")
