"""Sessions in the same process: objects go both ways, and a sentence is encoded once."""

from __future__ import annotations

import gc
import json
import sys
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.memory_wire import memory_wire_pair
from trio_backend.config.system import SystemConfig
from trio_backend.conversation.events import Outcome, Speaker, TurnEnded, TurnId, TurnStarted
from trio_backend.conversation.timeline import Timeline
from trio_backend.errors import WireClosed
from trio_backend.identity import RequestId
from trio_backend.protocol import (
    Audio,
    Control,
    Decoded,
    DisplayText,
    FetchConfigs,
    Heartbeat,
    HeartbeatAck,
    Image,
    MicAudioData,
    Outgoing,
    SetModelAndConf,
    TextInput,
    encode,
)
from trio_backend.protocol.codec import head_of
from trio_backend.quota import MemoryQuota
from trio_backend.rooms import Rooms, RoomsOptions, SessionSource, open_local_session, open_rooms
from trio_backend.rooms.local import LocalSession, RoomAsClient
from trio_backend.rooms.session import FromSession

SENTENCE = Audio(b"A" * 100_000, (), DisplayText("Hello.", "Mao", ""), {})


async def refuse(_message: object) -> None:
    """Not called: a room has no rate limit as a client of its session."""
    raise AssertionError


@attrs.define(eq=False)
class RecordingSession:
    """Greets; keeps what it gets; answers a text with one sentence."""

    received: list[Decoded] = attrs.field(factory=list)
    quotas: list[MemoryQuota] = attrs.field(factory=list)

    async def serve(self, client: RoomAsClient) -> None:
        """One session."""
        self.quotas.append(client.quota)
        await client.send(SetModelAndConf({}, "mao", "m", "u"))
        await client.send(Control("start-mic"))
        while True:
            decoded = await client.receive(refuse)
            self.received.append(decoded)
            if isinstance(decoded.message, TextInput):
                started = TurnStarted(TurnId(1), Speaker("Mao"), decoded.request)
                ended = TurnEnded(TurnId(1), Outcome.COMPLETED, "", Timeline(), decoded.request)
                await client.outbox.send((started, Control("conversation-chain-start")))
                await client.send(SENTENCE)
                await client.outbox.send((ended, Control("conversation-chain-end")))


@attrs.define(eq=False)
class CountingWire:
    """A client's wire that keeps the very objects that it is sent."""

    quota: MemoryQuota = attrs.field(factory=MemoryQuota)
    sent: list[bytes] = attrs.field(factory=list)

    async def receive(self) -> str | bytes:
        """Nothing is said."""
        await trio.sleep_forever()
        raise AssertionError

    async def send(self, message: bytes) -> None:
        """Keep ``message``."""
        await trio.lowlevel.checkpoint()
        self.sent.append(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Nothing is to be closed."""


async def run(async_fn: Callable[[], Awaitable[None]]) -> bool:
    """A bug fails the test."""
    await async_fn()
    return True


@asynccontextmanager
async def open_local_rooms(
    serve: Callable[[RoomAsClient], Awaitable[None]], quota: MemoryQuota | None = None
) -> AsyncIterator[Rooms]:
    """Rooms whose sessions ``serve`` runs; leaving the block disconnects everybody."""
    system = SystemConfig(preload=False, enable_proxy=True)
    new_quota = partial(MemoryQuota, 1000, quota)
    source = SessionSource(partial(open_local_session, serve, new_quota), decoded=True)
    async with open_rooms(RoomsOptions.of(system), source, run) as rooms:
        yield rooms


async def test_a_sentence_is_encoded_once_for_all_clients(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty clients get the same bytes object; nothing is decoded on the way."""
    session, encoded = RecordingSession(), []

    def note(message: Outgoing) -> bytes:
        encoded.append(message)
        return encode(message)

    monkeypatch.setattr("trio_backend.rooms.local.encode", note)
    async with open_local_rooms(session.serve) as rooms, trio.open_nursery() as nursery:
        wires = [CountingWire() for _ in range(20)]
        for wire in wires:
            nursery.start_soon(rooms.serve, wire, "den")
        ours, theirs = memory_wire_pair()
        nursery.start_soon(rooms.serve, theirs, "den")
        await Client(ours).say("text-input", text="Hello.")
        await Client(ours).until("control", text="conversation-chain-end")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("all was heard")
    assert [message for message in encoded if message is SENTENCE] == [SENTENCE]
    sentences = {id(sent): sent for wire in wires for sent in wire.sent if len(sent) > 50_000}
    assert [json.loads(sent)["type"] for sent in sentences.values()] == ["audio"]


async def test_what_a_client_said_is_not_decoded_again(autojump_clock: MockClock) -> None:
    """Pictures too; the size is that of the frame. Large sound comes in several messages."""
    session = RecordingSession()
    async with open_local_rooms(session.serve) as rooms, trio.open_nursery() as nursery:
        ours, theirs = memory_wire_pair()
        nursery.start_soon(rooms.serve, theirs, "den")
        client = Client(ours)
        await client.until("control", text="start-mic")
        text = {"type": "text-input", "text": "Look.", "images": [{"data": "data:image/png;base64,AAAA"}]}
        sound = {"type": "mic-audio-data", "audio": [0.25] * 40_000}
        for message in text, sound:
            await ours.send(json.dumps(message).encode())
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("all was said")
    first, *rest = session.received
    image = Image("data:image/png;base64,AAAA")
    assert first == Decoded(TextInput("Look.", [image]), len(json.dumps(text)), RequestId(1))
    assert len(rest) > 1
    pieces = [decoded.message for decoded in rest if isinstance(decoded.message, MicAudioData)]
    assert sum(len(piece.audio) for piece in pieces) == 40_000


async def test_a_session_has_a_quota_of_its_own(autojump_clock: MockClock) -> None:
    """Each one a new part of that of all clients."""
    session, everybody = RecordingSession(), MemoryQuota()
    async with open_local_rooms(session.serve, everybody) as rooms, trio.open_nursery() as nursery:
        for room in "ab":
            nursery.start_soon(rooms.serve, CountingWire(), room)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("they have their quotas")
    one, other = session.quotas
    assert one is not other
    assert one.parent is other.parent is everybody
    assert one.limit == 1000


async def test_the_room_sees_the_code_with_which_its_session_closed(autojump_clock: MockClock) -> None:
    """The first one counts; a session that just returns has none."""

    async def close(client: RoomAsClient) -> None:
        await client.close(1011)
        await client.close(1000)
        with pytest.raises(WireClosed):
            await client.send(HeartbeatAck())
        with pytest.raises(WireClosed):
            await client.receive(refuse)

    async with open_local_session(close, MemoryQuota) as session:
        with pytest.raises(WireClosed) as closed:
            await session.receive()
        assert closed.value.code == 1011
        with pytest.raises(WireClosed) as closed:
            await session.send(Decoded(Heartbeat(), 0))
        assert closed.value.code == 1011


async def greet(client: RoomAsClient) -> None:
    """As the session does whose client this is."""
    await client.send(SetModelAndConf({}, "mao", "m", "u"))
    await client.send(Control("start-mic"))


async def test_a_lost_session_is_told_at_once(autojump_clock: MockClock) -> None:
    """It takes five seconds to clean up, and nobody waits for that; a text waits for the next session."""
    session = RecordingSession()

    async def serve(client: RoomAsClient) -> None:
        await greet(client)
        await client.receive(refuse)

    @asynccontextmanager
    async def open_session() -> AsyncIterator[LocalSession]:
        once = serve if not session.quotas else session.serve
        session.quotas.append(MemoryQuota())
        async with open_local_session(once, MemoryQuota) as opened:
            try:
                yield opened
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(5)

    source = SessionSource(open_session, decoded=True)
    options = RoomsOptions.of(SystemConfig(preload=False, enable_proxy=True))
    async with open_rooms(options, source, run) as rooms, trio.open_nursery() as nursery:
        ours, theirs = memory_wire_pair()
        nursery.start_soon(rooms.serve, theirs, "den")
        client = Client(ours)
        await client.until("control", text="start-mic")
        began = trio.current_time()
        await client.say("fetch-configs")
        await client.until("error", code="upstream-down")
        assert trio.current_time() == began
        await client.say("text-input", text="Hello.")
        heard = await client.until("control", text="conversation-chain-end")
        assert not [message for message in heard if message["type"] == "error"]
        assert 5 < trio.current_time() - began < 6
        nursery.cancel_scope.cancel("it was told")


@attrs.define(eq=False)
class DeafSession:
    """A `RoomSession` that has greeted, and to which nothing can be sent any more."""

    greeting: list[Outgoing]

    async def receive(self) -> FromSession:
        """The greeting, and then nothing."""
        if not self.greeting:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        message = self.greeting.pop(0)
        return FromSession(head_of(message), encode(message))

    async def ask(self, *_: object) -> None:
        """See `RoomSession.ask`."""
        raise WireClosed

    send = interrupt = retract = ask

    def accept(self, each: object) -> None:
        """See `RoomSession.accept`."""


async def test_a_text_that_cannot_be_sent_is_told_at_once(autojump_clock: MockClock) -> None:
    """The room knows of it before its link does: the next text is kept, and waits for the next session."""

    @asynccontextmanager
    async def open_session() -> AsyncIterator[DeafSession]:
        yield DeafSession([SetModelAndConf({}, "mao", "m", "u"), Control("start-mic")])

    options = RoomsOptions.of(SystemConfig(preload=False, enable_proxy=True))
    async with (
        open_rooms(options, SessionSource(open_session, decoded=True), run) as rooms,
        trio.open_nursery() as nursery,
    ):
        ours, theirs = memory_wire_pair()
        nursery.start_soon(rooms.serve, theirs, "den")
        client = Client(ours)
        await client.until("control", text="start-mic")
        for _ in range(2):
            await client.say("text-input", text="Hello.")
        heard = await client.until("error", code="upstream-lost")
        await wait_all_tasks_blocked()
        assert [message.get("code") for message in heard] == ["upstream-down", "upstream-lost"]
        assert trio.current_time() == 0
        assert rooms.statistics().waiting == 1
        nursery.cancel_scope.cancel("it was told")


async def test_what_is_asked_before_the_session_is_there_is_not_lost(autojump_clock: MockClock) -> None:
    """A page asks for this and that as soon as it is open; its session takes five seconds."""
    session = RecordingSession()

    @asynccontextmanager
    async def open_session() -> AsyncIterator[LocalSession]:
        await trio.sleep(5)
        async with open_local_session(session.serve, MemoryQuota) as opened:
            yield opened

    source = SessionSource(open_session, decoded=True)
    system = SystemConfig(preload=False, enable_proxy=True)
    async with open_rooms(RoomsOptions.of(system), source, run) as rooms, trio.open_nursery() as nursery:
        ours, theirs = memory_wire_pair()
        nursery.start_soon(rooms.serve, theirs, "den")
        await Client(ours).say("fetch-configs")
        await Client(ours).until("control", text="start-mic")
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("it was asked")
    assert [decoded.message for decoded in session.received] == [FetchConfigs()]


async def test_a_room_that_closes_gives_back_what_waited(autojump_clock: MockClock) -> None:
    """Of the quota of all clients; its session goes with it."""
    everybody, over = MemoryQuota(), trio.Event()

    async def serve(client: RoomAsClient) -> None:
        try:
            await greet(client)
            while True:
                await client.receive(refuse)
        finally:
            over.set()

    source = SessionSource(partial(open_local_session, serve, MemoryQuota), decoded=True)
    system = SystemConfig(preload=False, enable_proxy=True)
    async with (
        open_rooms(RoomsOptions.of(system), source, run, everybody) as rooms,
        trio.open_nursery() as nursery,
    ):
        ours, theirs = memory_wire_pair()
        nursery.start_soon(rooms.serve, theirs, "den")
        await Client(ours).until("control", text="start-mic")
        for _ in range(3):
            await Client(ours).say("text-input", text="x" * 10_000)
        await wait_all_tasks_blocked()
        assert everybody.used > 20_000
        assert not over.is_set()
        await ours.close()
        await wait_all_tasks_blocked()
        assert everybody.used == 0
        assert over.is_set()


@attrs.define(eq=False)
class OneFrameWire(CountingWire):
    """A client that says one thing, and keeps it."""

    frame: str = "".join(['{"type":"fetch-configs",', '"ignored":"', "x" * 1000, '"}'])
    said: bool = False

    async def receive(self) -> str | bytes:
        """What it says, once."""
        if self.said:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        self.said = True
        return self.frame


async def test_a_room_keeps_nothing_that_was_said(autojump_clock: MockClock) -> None:
    """Neither as it came nor decoded, while all wait for what comes next."""
    decoded: list[weakref.ref[Decoded]] = []

    async def serve(client: RoomAsClient) -> None:
        await greet(client)
        while True:
            decoded.append(weakref.ref(await client.receive(refuse)))

    wire = OneFrameWire()
    before = sys.getrefcount(wire.frame)
    async with open_local_rooms(serve) as rooms, trio.open_nursery() as nursery:
        nursery.start_soon(rooms.serve, wire, "den")
        await wait_all_tasks_blocked()
        gc.collect()
        assert wire.said
        after = sys.getrefcount(wire.frame)  # within `assert`, pytest keeps another
        assert after == before
        assert [kept() for kept in decoded] == [None]
        nursery.cancel_scope.cancel("it was said")


async def test_a_session_ends_with_the_block(autojump_clock: MockClock) -> None:
    """However that is left."""
    for leave in (False, True):
        over = trio.Event()

        async def serve(client: RoomAsClient, over: trio.Event = over) -> None:
            try:
                await client.receive(refuse)
            finally:
                over.set()

        with trio.move_on_after(5) as scope:
            async with open_local_session(serve, MemoryQuota):
                await wait_all_tasks_blocked()
                assert not over.is_set()
                if leave:
                    scope.cancel("the room is closed")
                    await trio.lowlevel.checkpoint()
        assert over.is_set()
        assert trio.current_time() == 0
