"""The rooms of the package, with sessions that answer as the other strategies do."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio

from trio_backend.client.memory_wire import memory_wire_pair, open_in_memory
from trio_backend.concurrency import Slot
from trio_backend.config.system import SystemConfig
from trio_backend.errors import WireClosed
from trio_backend.rooms import Rooms, RoomsOptions, SessionSource, open_rooms, open_session_on
from trio_backend.rooms.upstream import UpstreamSession
from trio_backend.wire import Wire

from .workload import (
    FORWARDERS,
    MESSAGES,
    PAGES,
    PATIENCE,
    PAUSE,
    PLAYBACK,
    SENTENCE,
    SENTENCES,
    SOUND,
    STAYS,
    Forward,
    Visits,
)

GREETING = (
    {"type": "set-model-and-conf", "model_info": {}, "conf_name": "", "conf_uid": "", "client_uid": ""},
    {"type": "control", "text": "start-mic"},
)


@attrs.define(eq=False)
class Actor:
    """A session: its turns are as long as those of the other strategies, and are told to ``forwards``."""

    wire: Wire
    forwards: dict[str, Forward]
    played: trio.Event = attrs.field(factory=trio.Event)

    async def live(self) -> None:
        async with trio.open_nursery() as nursery:
            slot = Slot(nursery)
            try:
                for message in GREETING:
                    await self.say(**message)
                while True:
                    await self.hear(json.loads(await self.wire.receive()), slot)
            except WireClosed:
                nursery.cancel_scope.cancel("the room is gone")

    async def say(self, **message: object) -> None:
        await self.wire.send(json.dumps(message).encode())

    async def hear(self, message: dict[str, str], slot: Slot) -> None:
        match message:
            case {"type": "heartbeat"}:
                await self.say(type="heartbeat-ack")
            case {"type": "interrupt-signal"}:
                await slot.evict("interrupted")
            case {"type": "frontend-playback-complete"}:
                self.played.set()
            case {"type": "text-input", "text": number}:
                await slot.fill(self.answer, self.forwards[number])

    async def answer(self, forward: Forward) -> None:
        forward.began = time.perf_counter()
        await self.say(type="control", text="conversation-chain-start")
        for _ in range(SENTENCES):
            await trio.sleep(SENTENCE)
            await self.say(type="audio", audio=base64.b64encode(SOUND).decode())
        self.played = trio.Event()
        await self.say(type="backend-synth-complete")
        with trio.move_on_after(PATIENCE):
            await self.played.wait()
        forward.ended = time.perf_counter()
        await self.say(type="control", text="conversation-chain-end")


async def listen(wire: Wire) -> None:
    """Play what comes, until the page is gone."""
    try:
        while True:
            frame = await wire.receive()
            if isinstance(frame, str) and frame.startswith('{"type": "backend-synth-complete"'):
                await trio.sleep(PLAYBACK)
                await wire.send(b'{"type":"frontend-playback-complete"}')
    except WireClosed:
        pass


@attrs.define(eq=False)
class Table:
    """Where the pages sit."""

    rooms: Rooms
    visits: Visits
    forwards: dict[str, Forward]
    before: int
    """How many tasks there are without any page."""

    async def reload_pages(self, place: int, sessions: int) -> None:
        """One place at the table: a page after the other, all in the same room."""
        for _ in range(sessions):
            async with trio.open_nursery() as nursery:
                ours, theirs = memory_wire_pair()
                nursery.start_soon(self.rooms.serve, theirs, f"place-{place}")
                nursery.start_soon(listen, ours)
                await self.visit(ours)
                await ours.close()

    async def visit(self, wire: Wire) -> None:
        session = self.visits.open()
        for _ in range(MESSAGES):
            forward = Forward(session.number, time.perf_counter())
            session.forwards.append(forward)
            number = f"{session.number}.{len(session.forwards)}"
            self.forwards[number] = forward
            await wire.send(json.dumps({"type": "text-input", "text": number}).encode())
            await trio.sleep(PAUSE)
        await trio.sleep(STAYS)
        session.tasks_alive = trio.lowlevel.current_statistics().tasks_living - self.before
        for forward in session.forwards:
            forward.dropped = forward.began is None


async def _run(async_fn: Callable[[], Awaitable[None]]) -> bool:
    await async_fn()
    return True


async def run(sessions: int) -> tuple[Visits, int]:
    """All visits; and how many tasks more there were a second after the last than before the first."""
    forwards: dict[str, Forward] = {}

    @asynccontextmanager
    async def open_session() -> AsyncIterator[UpstreamSession]:
        async with (
            open_in_memory(lambda wire: Actor(wire, forwards).live()) as wire,
            open_session_on(wire) as session,
        ):
            yield session

    system = SystemConfig(enable_proxy=True, forwarders=FORWARDERS)
    async with open_rooms(RoomsOptions.of(system), SessionSource(open_session, decoded=False), _run) as rooms:
        before = trio.lowlevel.current_statistics().tasks_living
        table = Table(rooms, Visits(), forwards, before)
        async with trio.open_nursery() as nursery:
            for place in range(PAGES):
                nursery.start_soon(partial(table.reload_pages, place, sessions // PAGES))
        table.visits.end = time.perf_counter()
        await trio.sleep(1)
        left = trio.lowlevel.current_statistics().tasks_living - before
    return table.visits, left
