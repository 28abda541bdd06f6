"""What the clients of a room hear, and what becomes of those who do not listen."""

from __future__ import annotations

import json
from contextlib import suppress

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.memory_wire import memory_wire_pair
from tests.rooms.running import RunningRooms
from tests.rooms.scripted import END, GREETING, START
from trio_backend.config.system import SystemConfig
from trio_backend.errors import WireClosed

ROOMS = SystemConfig(preload=False, enable_proxy=True)


async def test_all_hear_the_turn_and_the_others_what_was_asked(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """The sender knows what it said; in the other rooms nothing is heard."""
    ann, bob, elsewhere = await running.join(), await running.join(), await running.join("elsewhere")
    await ann.say("Hello 1", name="Ann\nOh")
    await trio.sleep(2)

    assert ann.heard == [START, END]
    asked = {"type": "user-input-transcription", "text": "Hello 1", "name": "Ann Oh"}
    assert bob.heard == [START, asked, END]
    assert elsewhere.heard == []


async def test_who_comes_later_is_greeted_too(autojump_clock: MockClock, running: RunningRooms) -> None:
    """In the middle of a turn, with the character that is active now."""
    ann = await running.join()
    await ann.say("x 10")
    bob = await running.join()
    await trio.sleep(20)
    assert bob.heard == [END]


async def test_what_is_no_message_for_the_queue_reaches_the_session_as_it_is(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """At once, also while a turn is running, and all hear the answer."""
    ann, bob = await running.join(), await running.join()
    await ann.say("x 10")
    await bob.send("fetch-configs")
    await wait_all_tasks_blocked()
    assert {"type": "full-text", "text": "got fetch-configs"} in ann.heard


async def test_what_is_wrong_is_told_to_who_said_it(autojump_clock: MockClock, running: RunningRooms) -> None:
    """Nobody else is bothered, least of all the session; the client stays."""
    ours, theirs = memory_wire_pair()
    running.nursery.start_soon(running.rooms.serve, theirs, "den")
    bob = await running.join()
    for _ in GREETING:
        await ours.receive()

    await ours.send_binary(b"{}")
    assert json.loads(await ours.receive())["code"] == "bad-message"
    for wrong, code in [
        (b"[", "bad-message"),
        (b'{"type": "text-input", "text": 5}', "bad-message"),
        (b'{"type": "text-input", "text": " "}', "bad-message"),
        (b'{"type": "text-input", "text": "x 1", "name": "%s"}' % (b"n" * 101), "bad-message"),
        (b'{"type": "no-such"}', "unknown-type"),
    ]:
        await ours.send(wrong)
        assert json.loads(await ours.receive())["code"] == code
    await ours.send(b'{"type": "heartbeat"}')
    assert json.loads(await ours.receive()) == {"type": "heartbeat-ack"}
    assert bob.heard == []
    assert not running.sessions.turns


async def test_an_offer_of_bytes_is_not_agreed_to(autojump_clock: MockClock, running: RunningRooms) -> None:
    """The session never hears of it, so the client goes on with JSON, which is passed on."""
    ann = await running.join()
    await ann.send("mic-format", format="pcm16", carries="raw-audio-data")
    await ann.send("raw-audio-data", audio=[0.5])
    await trio.sleep(1)
    assert [message["text"] for message in ann.heard] == ["got raw-audio-data"]


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, message_burst=10, messages_per_second=5)])
async def test_each_client_has_a_rate_limit_of_its_own(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Who floods is warned and then sent away; the others are served."""
    ann, bob = await running.join(), await running.join()
    with suppress(WireClosed):
        for _ in range(30):
            await ann.send("heartbeat")
    await wait_all_tasks_blocked()
    await bob.say("x 1")
    await trio.sleep(5)

    assert ann.types == ["heartbeat-ack"] * 10 + ["error"]
    assert ann.code == 1008
    assert bob.heard == [START, END]


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, client_outbox=8)])
async def test_a_client_that_does_not_read_is_dropped(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """When its outbox is full; the others' turns take the time that they always take."""
    ann = await running.join()
    ours, theirs = memory_wire_pair()
    running.nursery.start_soon(running.rooms.serve, theirs, "den")
    await wait_all_tasks_blocked()
    for number in range(10):
        await ann.say(f"{number} 1")
        await trio.sleep(2)

    assert [turn.ended - turn.began for turn in running.sessions.turns] == [1] * 10
    assert running.rooms.statistics().clients == 1
    assert ann.heard == [START, END] * 10
    with pytest.raises(WireClosed, match="1013"):
        await ours.receive()


@pytest.mark.parametrize("name", ["", " ", "a/b", "x" * 65, "a\n", "a b"])
async def test_a_room_has_a_plain_name(autojump_clock: MockClock, running: RunningRooms, name: str) -> None:
    """Or nobody could say afterwards which one it was."""
    client = running.connect(name)
    await trio.sleep(1)
    assert client.codes == ["bad-room"]
    assert client.code == 1008


async def test_there_are_only_so_many_rooms(autojump_clock: MockClock, running: RunningRooms) -> None:
    """One more is refused with a reason, a place in those that are open is not; who closes one makes room."""
    clients = [await running.join(name) for name in ["a", "b", "c", "größe-4"]]
    late = running.connect("e")
    await trio.sleep(1)
    assert (late.codes, late.code) == (["too-many-rooms"], 1013)
    await running.join("a")

    await clients[3].leave()
    await running.join("e")


@pytest.mark.parametrize("system", [SystemConfig(preload=False)])
async def test_rooms_are_off_unless_the_config_says_otherwise(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """A client is told which key to set."""
    client = running.connect()
    await trio.sleep(1)
    assert client.codes == ["proxy-disabled"]
    assert "enable_proxy" in client.heard[0]["message"]
    assert client.code == 1008


async def test_a_hello_is_answered_by_the_room(autojump_clock: MockClock, running: RunningRooms) -> None:
    """Each client has its own, and the session is told nothing that it would answer."""
    ann, bob = await running.join(), await running.join()
    await ann.send("hello", accepts=["latency", "smell"])
    await trio.sleep(1)
    assert ann.heard == [{"type": "hello", "server": "trio-backend", "accepts": ["latency"]}]
    assert bob.heard == []


async def test_a_session_elsewhere_is_told_what_all_clients_accept(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Of sound one form that each of them knows, of messages all that anybody knows; a new session, too."""
    ann = await running.join()
    await ann.send("hello", accepts=["bytes", "pieces", "latency"])
    await trio.sleep(1)
    bob = await running.join()
    await trio.sleep(1)
    await bob.send("hello", accepts=["pieces", "partial-transcription"])
    await trio.sleep(1)
    assert running.sessions.hellos == [
        (1, ["bytes", "latency"]),
        (1, ["latency"]),
        (1, ["pieces", "partial-transcription", "latency"]),
    ]
    assert [message["type"] for message in (*ann.heard, *bob.heard)] == ["hello", "hello"]
    await ann.say("x die")
    await trio.sleep(10)
    assert running.sessions.hellos[3:] == [(2, ["pieces", "partial-transcription", "latency"])]


async def test_an_older_server_troubles_nobody(autojump_clock: MockClock, running: RunningRooms) -> None:
    """What it says of a hello is not for the clients; turns go on as they did."""
    running.sessions.knows_no_hello = True
    ann = await running.join()
    await ann.send("hello", accepts=["bytes"])
    await trio.sleep(1)
    await ann.send("hello", accepts=["pieces"])
    await ann.say("x 1")
    await trio.sleep(10)
    assert [message["type"] for message in ann.heard] == ["hello", "hello", "control", "control"]
