"""What a client sent and is still held is counted, and bounded; in the end nothing is counted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.attack.test_pictures import picture, show
from tests.client import Client
from tests.conftest import GREETING
from tests.memory_wire import memory_wire_pair
from tests.session.sessions import END, stored
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.quota import MemoryQuota

KIB, MIB = 2**10, 2**20
LIMIT = 4 * MIB
OF_ALL = 16 * MIB
Enter: TypeAlias = Callable[..., Awaitable[Client]]


@pytest.fixture
def system() -> SystemConfig:
    """Rooms are on."""
    return SystemConfig(
        preload=False, enable_proxy=True, max_memory_per_client=LIMIT, room_queue_size=LIMIT, drain_timeout=5
    )


@pytest.fixture
def everybody() -> MemoryQuota:
    """What all clients may take."""
    return MemoryQuota(OF_ALL)


@pytest.fixture
def options(options: BackendOptions, everybody: MemoryQuota) -> BackendOptions:
    """A model that takes no time, and no voice."""
    base = attrs.evolve(
        options.catalog.base, llm=EngineChoice("llm", "echo_llm", {}), tts=EngineChoice("tts", "none_tts", {})
    )
    return attrs.evolve(options, catalog=MemoryCatalog(base), quota=everybody)


@pytest.fixture
async def enter(backend: Backend, everybody: MemoryQuota, nursery: trio.Nursery) -> AsyncIterator[Enter]:
    """Connects a client with a quota, as the server does; in the end nothing of any is held."""
    clients: list[Client] = []

    async def enter(room: str = "") -> Client:
        ours, theirs = memory_wire_pair()
        theirs.quota = MemoryQuota(LIMIT, parent=everybody)
        if room:
            nursery.start_soon(backend.serve_in_room, theirs, room)
        else:
            nursery.start_soon(backend.serve_client, theirs)
        clients.append(Client(ours))
        assert [(await clients[-1].hear())["type"] for _ in GREETING] == GREETING
        return clients[-1]

    yield enter
    for client in clients:
        await client.wire.close()
    await wait_all_tasks_blocked()
    await trio.sleep(2)
    assert everybody.used == 0


async def refused(client: Client) -> str:
    """Why something was too much."""
    error = (await client.until("error"))[-1]
    assert error["code"] == "too-much-data"
    return str(error["message"])


async def test_old_pictures_make_room_for_new_ones(
    autojump_clock: MockClock, enter: Enter, everybody: MemoryQuota
) -> None:
    """Large ones push out those of the message before; what is held never exceeds the client's limit."""
    client = await enter()
    for _ in range(10):
        await show(client, picture(1 * MIB))
        assert everybody.used <= LIMIT
    assert 2 * MIB < everybody.used < 2.1 * MIB
    await show(client, picture(3 * MIB))
    assert 3 * MIB < everybody.used < LIMIT


async def test_what_is_too_much_is_refused_and_dropped(
    autojump_clock: MockClock, enter: Enter, backend: Backend, everybody: MemoryQuota
) -> None:
    """In words; nothing of it is stored, and the client is served on."""
    client = await enter()
    await client.say("text-input", text="Look.", images=[picture(5 * MIB)])
    assert "4 MiB (max_memory_per_client)" in await refused(client)
    assert everybody.used == 0
    await show(client, text="Hello.")
    assert [content for _, content in await stored(backend)] == ["Hello.", "Hello."]


async def test_one_letter_makes_a_text_four_times_as_large(
    autojump_clock: MockClock, enter: Enter, everybody: MemoryQuota
) -> None:
    """It is counted as it is held."""
    client = await enter()
    await client.say("text-input", text="x" * 1_200 * KIB + "\N{GRINNING FACE}")
    await refused(client)


@pytest.mark.parametrize("kind", ["mic-audio-data", "raw-audio-data"])
async def test_sound_counts(
    autojump_clock: MockClock, enter: Enter, everybody: MemoryQuota, kind: str
) -> None:
    """Until it was answered, or forgotten with its client."""
    client = await enter()
    await client.say(kind, audio=[0.5, -0.5] * 20_000)
    await client.say("heartbeat")
    await client.until("heartbeat-ack")
    assert everybody.used >= 70_000
    await client.say("mic-audio-end")
    await client.until(**END)
    assert everybody.used < 45_000  # what was understood: `scripted_asr` reads samples as letters


async def test_when_all_clients_have_filled_the_memory_a_few_words_are_still_answered(
    autojump_clock: MockClock, enter: Enter, everybody: MemoryQuota
) -> None:
    """But no sound and no pictures; when they leave, those too."""
    for _ in range(5):
        await show(await enter(), picture(3 * MIB))
    await show(await enter(), picture(900 * KIB))
    crowd = await enter()
    await show(crowd, text="Hello.")
    await crowd.say("mic-audio-data", audio=[0.5] * 40_000)
    assert "all clients" in await refused(crowd)
    await crowd.say("text-input", text="Look.", images=[picture()])
    assert "all clients" in await refused(crowd)


async def test_what_waits_for_a_character_counts(
    autojump_clock: MockClock, options: BackendOptions, everybody: MemoryQuota, nursery: trio.Nursery
) -> None:
    """What comes later takes its place; what the character finds is answered, and then memory's."""
    slow = attrs.evolve(options.catalog.base, llm=EngineChoice("llm", "echo_llm", {"load": 10.0}))
    async with open_backend(attrs.evolve(options, catalog=MemoryCatalog(slow))) as backend:
        ours, theirs = memory_wire_pair()
        theirs.quota = MemoryQuota(LIMIT, parent=everybody)
        nursery.start_soon(backend.serve_client, theirs)
        client = Client(ours)
        for _ in range(8):
            await client.say("text-input", text="a", images=[picture(MIB)])
            await client.until("full-text", text="Mao is on the way...")
        assert MIB < everybody.used < 2.1 * MIB
        await client.until(**END)
        assert MIB < everybody.used < 1.1 * MIB
        await client.say("create-new-history")
        await client.until("new-history-created")
        assert everybody.used == 0
        await client.say("text-input", text="a", images=[picture(MIB)])
        await client.wire.close()
        await wait_all_tasks_blocked()
        assert everybody.used == 0


async def test_what_waits_in_a_room_counts(
    autojump_clock: MockClock, enter: Enter, everybody: MemoryQuota
) -> None:
    """Of the memory of all; and what the room's session keeps is that of one client."""
    ann = await enter("den")
    for _ in range(6):
        await ann.say("text-input", text="Look.", images=[picture(MIB)])
        await ann.until(**END)
    assert 2 * MIB < everybody.used < 2.1 * MIB
    crowd = [await enter(f"r{number}") for number in range(7)]
    codes = []
    async with trio.open_nursery() as nursery:

        async def read(client: Client) -> None:
            while True:
                codes.append((await client.hear()).get("code", ""))

        for client in crowd:
            # Without a session that reads, everything waits.
            nursery.start_soon(read, client)
            for _ in range(4):
                await client.say("text-input", text="Look.", images=[picture(900 * KIB)])
                assert everybody.used <= OF_ALL
        await trio.sleep(60)
        nursery.cancel_scope.cancel("all was heard")
    # The room's session refuses, too, and then the room says whose message it was.
    assert set(codes) <= {"", "too-much-data", "queue-full", "turn-failed"}
