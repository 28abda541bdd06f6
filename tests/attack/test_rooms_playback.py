"""Rooms whose clients take for ever to play what they were sent hold up no other room."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.conftest import GREETING
from tests.memory_wire import memory_wire_pair
from tests.rooms.running import RunningRooms, open_running_rooms
from tests.session.sessions import END
from trio_backend.backend import Backend, BackendOptions
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.rooms.rooms import RoomsStatistics

LONG = "One two three four. " * 490  # 9 800 letters, ten minutes of sound


@pytest.fixture
def system() -> SystemConfig:
    """Rooms are on, with as many forwarders as there are by default."""
    return SystemConfig(preload=False, enable_proxy=True)


@pytest.fixture
def options(options: BackendOptions) -> BackendOptions:
    """A model and a voice that take no time."""
    base = attrs.evolve(
        options.catalog.base,
        llm=EngineChoice("llm", "echo_llm", {}),
        tts=EngineChoice("tts", "tone_tts", {"seconds_per_character": 0.06}),
    )
    return attrs.evolve(options, catalog=MemoryCatalog(base))


async def join(backend: Backend, nursery: trio.Nursery, room: str) -> Client:
    """A client that has come into ``room``."""
    ours, theirs = memory_wire_pair()
    nursery.start_soon(backend.serve_in_room, theirs, room)
    client = Client(ours)
    assert [(await client.hear())["type"] for _ in GREETING] == GREETING
    return client


async def read_on(client: Client) -> None:
    """Hear everything, say nothing."""
    while True:
        await client.hear()


async def test_clients_that_never_say_that_they_have_played_it_delay_nobody(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery, system: SystemConfig
) -> None:
    """As many hostile rooms as there are forwarders, and twice more: another is answered at once."""
    async with trio.open_nursery() as reading:
        for number in range(3 * system.forwarders):
            hostile = await join(backend, nursery, f"hostile-{number}")
            await hostile.say("text-input", text=LONG)
            reading.start_soon(read_on, hostile)
        bystander = await join(backend, nursery, "bystander")
        began = trio.current_time()
        for _ in range(3):
            await bystander.say("text-input", text="Hello.")
            await bystander.until("backend-synth-complete")
            await bystander.say("frontend-playback-complete")
            await bystander.until(**END)
        assert trio.current_time() == began
        assert backend.rooms.statistics().turns == 3 * system.forwarders
        reading.cancel_scope.cancel("enough heard")


async def test_clients_that_read_nothing_delay_nobody(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery, system: SystemConfig
) -> None:
    """A client of a room that does not take what it is sent is sent away, and its room with it."""
    for number in range(system.forwarders):
        hostile = await join(backend, nursery, f"hostile-{number}")
        await hostile.say("text-input", text=LONG)
    bystander = await join(backend, nursery, "bystander")
    began = trio.current_time()
    await bystander.say("text-input", text="Hello.")
    await bystander.until("backend-synth-complete")
    assert trio.current_time() == began
    await trio.sleep(2)
    assert [room.name for room in backend.rooms.each()] == ["bystander"]


@pytest.fixture
def few() -> SystemConfig:
    """One forwarder."""
    return SystemConfig(preload=False, enable_proxy=True, forwarders=1)


async def test_what_is_lost_while_it_is_played_is_told(autojump_clock: MockClock, few: SystemConfig) -> None:
    """The room itself sees the end of the turn that its forwarder has left."""
    async with open_running_rooms(few) as running:
        ann, bob = await running.join("a"), await running.join("b")
        await ann.say("x sound")
        await bob.say("y 1")
        assert [play.text for play in running.sessions.turns] == ["x sound", "y 1"]
        await ann.say("z 1")
        await ann.send("fetch-history-list")  # ends the session
        await wait_all_tasks_blocked()
        assert ann.codes == ["upstream-down", "upstream-lost"]
        await trio.sleep(60)
        assert [play.text for play in running.sessions.turns] == ["x sound", "y 1", "z 1"]
        assert idle(running)


async def test_a_room_that_plays_is_busy(autojump_clock: MockClock, few: SystemConfig) -> None:
    """Its next message waits; an interrupt, or its last client's leaving, ends the playing at once."""
    async with open_running_rooms(few) as running:
        ann = await running.join("a")
        await ann.say("x sound", "y 1")
        await trio.sleep(1)
        assert running.sessions.texts == ["x sound"]
        await ann.send("interrupt-signal", text="x")
        await wait_all_tasks_blocked()
        assert running.sessions.texts == ["x sound", "y 1"]
        await trio.sleep(5)
        await ann.say("z sound")
        await ann.leave()
        await trio.sleep(1)
        assert running.rooms.statistics() == RoomsStatistics(0, 0, 0, 0)
        bob = await running.join("b")
        await bob.say("last 1")
        await trio.sleep(5)
        assert running.sessions.texts[-1] == "last 1"
        assert idle(running)


def idle(running: RunningRooms) -> bool:
    """Whether no turn runs and nothing waits."""
    return (running.rooms.statistics().turns, running.rooms.statistics().waiting) == (0, 0)
