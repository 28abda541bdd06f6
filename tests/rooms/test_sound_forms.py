"""Sound in a room whose clients accept different forms of it, from a session here or on another server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conftest import GREETING, with_voice
from tests.memory_wire import MemoryWire, memory_wire_pair, open_in_memory
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.system import SystemConfig
from trio_backend.protocol import Accepts, Outgoing, SoundFrame, decode_frame, encode
from trio_backend.protocol.codec import MessageHead
from trio_backend.protocol.rate import RateLimit
from trio_backend.rooms import Rooms, RoomsOptions, SessionSource, open_rooms, open_session_on
from trio_backend.rooms.members import Member, Members
from trio_backend.rooms.session import FromSession
from trio_backend.rooms.upstream import UpstreamSession, accepted_by_link
from trio_backend.session.interrupted_page import SETTLED_AFTER
from trio_backend.user import NOBODY

VOICE: dict[str, object] = {"seconds_per_character": 0.06, "chunk": 0.1, "delay": 0.04}
TEXT = "This one comes in several pieces. So it goes."
Heard: TypeAlias = dict[str, Any] | SoundFrame


@pytest.fixture
def system() -> SystemConfig:
    """Rooms are on."""
    return SystemConfig(preload=False, enable_proxy=True)


@attrs.define(eq=False)
class Page:
    """A client that reads all the time, and says that it has played everything."""

    wire: MemoryWire
    heard: list[Heard] = attrs.field(factory=list)

    async def read(self) -> None:
        """Until the test is over."""
        while True:
            frame = await self.wire.receive()
            message = decode_frame(frame) if isinstance(frame, bytes) else json.loads(frame)
            self.heard.append(message)
            if isinstance(message, dict) and message["type"] == "backend-synth-complete":
                await self.say("frontend-playback-complete")

    async def say(self, type: str, **fields: object) -> None:
        """One message."""
        await self.wire.send(json.dumps({"type": type, **fields}).encode())

    @property
    def sound(self) -> list[Heard]:
        """The messages of sentences."""
        return [one for one in self.heard if isinstance(one, SoundFrame) or one["type"] == "audio"]

    @property
    def forms(self) -> list[str]:
        """In which form each of them came."""
        return [form_of(one) for one in self.sound]


def form_of(message: Heard) -> str:
    """The form of sound that a message belongs to."""
    if isinstance(message, SoundFrame) or "stream" in message:
        return "bytes"
    return "piece" if "sentence" in message else "whole"


@asynccontextmanager
async def rooms_of(backend: Backend, where: str) -> AsyncIterator[Rooms]:
    """Rooms whose sessions are those of ``backend``: here, or as if on another server."""

    @asynccontextmanager
    async def open_session() -> AsyncIterator[UpstreamSession]:
        async with open_in_memory(backend.serve_client) as wire, open_session_on(wire) as session:
            yield session

    async def run(async_fn: Any) -> bool:
        await async_fn()
        return True

    if where == "here":
        yield backend.rooms
        return
    options = RoomsOptions.of(SystemConfig(preload=False, enable_proxy=True))
    async with open_rooms(options, SessionSource(open_session, decoded=False), run) as rooms:
        yield rooms


async def join(rooms: Rooms, nursery: trio.Nursery, *accepts: str, hello: bool = True) -> Page:
    """A client in the room that has been greeted."""
    ours, theirs = memory_wire_pair()
    nursery.start_soon(rooms.serve, theirs, "den")
    page = Page(ours)
    nursery.start_soon(page.read)
    await wait_all_tasks_blocked()
    assert [one["type"] for one in page.heard if isinstance(one, dict)] == GREETING
    if hello:
        await page.say("hello", accepts=accepts)
        await wait_all_tasks_blocked()
    page.heard.clear()
    return page


async def test_each_client_gets_the_form_that_it_accepts(
    autojump_clock: MockClock, options: BackendOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each piece is encoded once for all who get it; a client that said nothing gets whole sentences."""
    encoded = []

    def note(message: Outgoing | SoundFrame) -> bytes:
        encoded.append(message)
        return encode(message)

    monkeypatch.setattr("trio_backend.rooms.local.encode", note)
    async with open_backend(with_voice(options, VOICE)) as backend, trio.open_nursery() as nursery:
        old = [await join(backend.rooms, nursery, hello=False) for _ in range(2)]
        pieces = [await join(backend.rooms, nursery, "pieces") for _ in range(2)]
        frames = [await join(backend.rooms, nursery, "bytes", "pieces") for _ in range(2)]
        encoded.clear()
        await old[0].say("text-input", text=TEXT)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    for page in old:
        assert page.forms == ["whole"] * 2
    for page in pieces:
        assert page.forms == ["piece"] * 5
        assert [one["last"] for one in page.sound] == [False, False, False, True, True]  # type: ignore[index]
    for page in frames:
        assert page.forms == ["bytes"] * 7
    counted = [one for one in encoded if isinstance(one, SoundFrame) or one.type == "audio"]
    assert len(counted) == 2 + 5 + 7


@pytest.mark.parametrize("where", ["here", "elsewhere"])
@pytest.mark.parametrize("accepts", ["bytes", "pieces"])
async def test_a_room_of_pages_that_agree_gets_sound_as_it_comes(
    autojump_clock: MockClock, options: BackendOptions, where: str, accepts: str
) -> None:
    """From a session on another server, too: its frames pass through."""
    async with (
        open_backend(with_voice(options, VOICE)) as backend,
        rooms_of(backend, where) as rooms,
        trio.open_nursery() as nursery,
    ):
        pages = [await join(rooms, nursery, accepts) for _ in range(2)]
        await trio.sleep(1)
        await pages[0].say("text-input", text=TEXT)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    form, count = ("bytes", 7) if accepts == "bytes" else ("piece", 5)
    for page in pages:
        assert page.forms == [form] * count
        types = [one["type"] for one in page.heard if isinstance(one, dict)]
        assert types[-3:] == ["backend-synth-complete", "force-new-message", "control"]


@pytest.mark.parametrize("where", ["here", "elsewhere"])
async def test_who_joins_in_the_middle_of_a_sentence_hears_the_next(
    autojump_clock: MockClock, options: BackendOptions, where: str
) -> None:
    """And the others lose nothing of either."""
    async with (
        open_backend(with_voice(options, VOICE)) as backend,
        rooms_of(backend, where) as rooms,
        trio.open_nursery() as nursery,
    ):
        ann = await join(rooms, nursery, "bytes")
        await trio.sleep(1)
        await ann.say("text-input", text=TEXT)
        await trio.sleep(1.0)
        assert 2 <= len(ann.sound) <= 4
        bob = await join(rooms, nursery, hello=False)
        late = await join(rooms, nursery, "bytes")
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert bob.forms == ["whole"]
    if where == "here":
        assert ann.forms == ["bytes"] * 7
        assert late.forms == ["bytes"] * 2
        assert isinstance(late.sound[0], dict)
    else:
        # A link has one form for all, and from the next sentence on it is one that the newcomer knows.
        assert ann.forms == ["bytes"] * 5 + ["whole"]
        assert [one for one in late.sound if isinstance(one, dict)] == bob.sound


async def test_who_says_hello_does_not_wait_for_an_interrupted_page(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The pages beside it that have said none get the sound when they can have drawn that a turn begins."""
    async with open_backend(options) as backend, trio.open_nursery() as nursery:
        old = await join(backend.rooms, nursery, hello=False)
        ours = await join(backend.rooms, nursery)
        await ours.say("text-input", text=TEXT)
        await trio.sleep(1.0)
        await old.say("interrupt-signal", text="This one")
        await trio.sleep(1.0)
        old.heard.clear()
        ours.heard.clear()
        await old.say("text-input", text="Well yes. So it goes.")
        await trio.sleep(SETTLED_AFTER - 0.05)
        assert (len(ours.sound), len(old.sound)) == (1, 0)
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert len(ours.sound) == len(old.sound) == 2


def test_a_link_accepts_what_all_clients_of_the_room_understand() -> None:
    """Of sound; messages that some do not know are kept from them."""
    both: Accepts = frozenset({"bytes", "pieces", "latency"})
    pieces: Accepts = frozenset({"pieces"})
    assert accepted_by_link(frozenset({both})) == ("bytes", "latency")
    assert accepted_by_link(frozenset({both, pieces})) == ("pieces", "latency")
    assert accepted_by_link(frozenset({both, pieces, None})) == ("latency",)
    assert accepted_by_link(frozenset({None})) == ()
    # They are in a message that everybody gets.
    titled: Accepts = frozenset({"titles", "latency"})
    assert accepted_by_link(frozenset({titled})) == ("latency", "titles")
    assert accepted_by_link(frozenset({titled, both})) == ("latency",)
    assert accepted_by_link(frozenset()) == ()


async def test_who_says_hello_in_the_middle_of_a_sentence_hears_it_once(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """To its end in the form in which it began, though that of the new hello begins later."""
    async with open_backend(with_voice(options, VOICE)) as backend, trio.open_nursery() as nursery:
        ann = await join(backend.rooms, nursery, "bytes")
        await join(backend.rooms, nursery, "latency")
        await trio.sleep(1)
        await ann.say("text-input", text=TEXT)
        await trio.sleep(1.0)
        assert 2 <= len(ann.sound) <= 4
        await ann.say("hello", accepts=["latency"])
        await trio.sleep(30)
        nursery.cancel_scope.cancel()
    assert ann.forms == ["bytes"] * 5 + ["whole"]
    assert isinstance(ann.sound[4], SoundFrame)
    assert ann.sound[4].last


async def test_a_new_session_counts_its_sentences_anew() -> None:
    """A client that heard the first one of the session before hears that of this one, too."""
    ours, theirs = memory_wire_pair()
    del ours
    member = Member.of(theirs, NOBODY, outbox=64, limit=RateLimit(100, 100))
    members = Members()
    members.add(member)
    forms: tuple[frozenset[Accepts], ...] = (frozenset({None}), frozenset({None, frozenset()}))
    for to in forms:
        members.session_said(FromSession(MessageHead("control", "start-mic"), b"greeting"))
        sound = FromSession(MessageHead("audio"), b"sound", to=to, sentence=1, begins=True)
        members.session_said(sound)
        found = [
            member._unsent.receive_nowait() for _ in range(member._unsent.statistics().current_buffer_used)
        ]
        assert found.count(b"sound") == 1
        members.session_down()
