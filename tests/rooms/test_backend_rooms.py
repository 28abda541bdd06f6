"""Rooms of a real backend, without a network and on the virtual clock."""

from __future__ import annotations

import json

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client, Heard
from tests.conftest import GREETING
from tests.memory_wire import memory_wire_pair
from trio_backend.backend import Backend
from trio_backend.config.system import SystemConfig
from trio_backend.history.store import Owner
from trio_backend.rooms.room import Room
from trio_backend.user import User, UserId

START = {"type": "control", "text": "conversation-chain-start"}
END = {"type": "control", "text": "conversation-chain-end"}


@pytest.fixture
def system() -> SystemConfig:
    """Rooms are on."""
    return SystemConfig(preload=False, enable_proxy=True, drain_timeout=5)


async def join(backend: Backend, nursery: trio.Nursery, room: str = "den") -> Client:
    """A client in ``room`` that has read the greeting."""
    ours, theirs = memory_wire_pair()
    nursery.start_soon(backend.serve_in_room, theirs, room)
    client = Client(ours)
    assert [(await client.hear())["type"] for _ in GREETING] == GREETING
    return client


async def whole_turn(client: Client) -> list[Heard]:
    """All up to the end of a turn; playback is confirmed."""
    heard = await client.until("backend-synth-complete")
    await client.say("frontend-playback-complete")
    return heard + await client.until(**END)


async def test_the_model_and_the_history_know_who_spoke(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """The model reads the name before the words; history keeps it beside them."""
    ann, bob = await join(backend, nursery), await join(backend, nursery)
    await ann.say("text-input", text="Hello there.", name="Ann")
    heard = await whole_turn(bob)
    assert heard[0] == START
    assert heard[1] == {"type": "user-input-transcription", "text": "Hello there.", "name": "Ann"}
    # The echo model repeats what it read.
    assert [m["display_text"]["text"] for m in heard if m["type"] == "audio"] == ["Ann: Hello there."]

    history = backend.services.history
    [conversation] = await history.conversations(Owner("mao_001"))
    messages = await history.messages(Owner("mao_001"), conversation.uid)
    assert [(m.role, m.name, m.content) for m in messages] == [
        ("human", "Ann", "Hello there."),
        ("ai", "Mao", "Ann: Hello there."),
    ]


async def test_the_conversation_of_a_room_is_nobody_s_in_particular(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """Whoever its clients are: what is said in it is said to all of them."""
    ours, theirs = memory_wire_pair()
    ann = User(UserId("ann"))
    nursery.start_soon(backend.serve_in_room, theirs, "den", ann)
    client = Client(ours)
    await client.until("control", text="start-mic")
    await client.say("text-input", text="Hello there.")
    await whole_turn(client)
    history = backend.services.history
    assert await history.conversations(Owner("mao_001"))
    assert not await history.conversations(Owner("mao_001", ann.id))


async def test_clients_of_a_room_are_not_counted_as_one_flood(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """Ten microphones at thirty messages a second each are more than one client may send alone."""
    clients = [await join(backend, nursery) for _ in range(10)]
    codes: set[str] = set()

    async def read(client: Client) -> None:
        while True:
            codes.add((await client.hear()).get("code", ""))

    async with trio.open_nursery() as reading:
        for client in clients:
            reading.start_soon(read, client)
        for _ in range(60):
            for client in clients:
                await client.say("mic-audio-data", audio=[0.0])
            await trio.sleep(1 / 30)
        reading.cancel_scope.cancel("enough")
    assert "rate-limited" not in codes


async def test_a_newcomer_meets_the_character_who_is_there_now(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """After a switch the greeting names the new one."""
    ann = await join(backend, nursery)
    await ann.say("switch-config", file="ann.yaml")
    await ann.until("config-switched")
    ours, theirs = memory_wire_pair()
    nursery.start_soon(backend.serve_in_room, theirs, "den")
    heard = await Client(ours).until("set-model-and-conf")
    assert heard[-1]["conf_name"] == "ann"


async def test_a_message_waits_while_the_character_loads(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """A first message that the session keeps until somebody is there is one turn like any other."""
    ann = await join(backend, nursery)
    await ann.say("switch-config", file="ann.yaml")
    await ann.say("text-input", text="Hello there.")
    await ann.say("text-input", text="And again.")
    heard = await whole_turn(ann) + await whole_turn(ann)
    assert heard.count(START) == heard.count(END) == 2


async def test_draining_ends_turns_and_refuses_what_waits(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """The turn that runs may end; the senders of those behind it are told."""
    ann = await join(backend, nursery)
    await ann.say("text-input", text="One two three.")
    await ann.say("text-input", text="Too late.")
    heard: list[Heard] = []

    async def listen() -> None:
        heard.extend(await whole_turn(ann))
        heard.extend(await ann.until("error", code="turn-failed"))

    async with trio.open_nursery() as listening:
        listening.start_soon(listen)
        await wait_all_tasks_blocked()
        assert await backend.drain() == 0
    assert [message["code"] for message in heard if message["type"] == "error"] == [
        "shutting-down",
        "turn-failed",
    ]


async def test_a_bug_in_one_room_ends_no_other(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clients are sent away with 1011; the forwarders live on, and the next client gets a new room."""
    victim, other = await join(backend, nursery, "a"), await join(backend, nursery, "b")
    with monkeypatch.context() as patch:
        patch.setattr(Room, "link_said", lambda _self, _message: 1 / 0)
        await victim.say("fetch-configs")
        assert await victim.closed() == 1011
    await other.say("text-input", text="Hello there.")
    assert (await whole_turn(other))[-1] == END
    again = await join(backend, nursery, "a")
    await again.say("text-input", text="Hello there.")
    assert (await whole_turn(again))[-1] == END


async def test_a_bug_while_a_turn_is_carried_keeps_the_forwarder(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More bugs than forwarders: other rooms' turns are still carried."""

    async def broken(_room: Room, _message: object) -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(Room, "_run_turn", broken)
        for number in range(backend.services.system.forwarders + 1):
            client = await join(backend, nursery, f"r{number}")
            await client.say("text-input", text="Hello there.")
            await wait_all_tasks_blocked()
    other = await join(backend, nursery)
    for one in client, other:
        # The room of such a turn goes on, too.
        await one.say("text-input", text="Hello there.")
        assert (await whole_turn(one))[-1] == END


async def test_the_last_client_gives_everything_back(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """Engines, session and tasks, in the middle of a turn."""
    await wait_all_tasks_blocked()
    before = trio.lowlevel.current_statistics().tasks_living
    for _ in range(20):
        ann, bob = await join(backend, nursery), await join(backend, nursery)
        await ann.say("text-input", text=json.dumps("One two three four. Five six."))
        await trio.sleep(0.2)
        await ann.wire.close()
        await bob.wire.close()
        await wait_all_tasks_blocked()
    await trio.sleep(1)
    assert not backend.services.sessions
    assert not backend.leases.statistics().engines
    assert attrs.astuple(backend.rooms.statistics()) == (0, 0, 0, 0)
    assert trio.lowlevel.current_statistics().tasks_living == before
