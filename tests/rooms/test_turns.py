"""Whose turn it is in a room, and how turns end, on the virtual clock."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.rooms.running import RunningRooms, local, open_running_rooms
from tests.rooms.scripted import END, START
from trio_backend.config.system import SystemConfig
from trio_backend.rooms import room as room_module
from trio_backend.rooms.rooms import RoomsStatistics
from trio_backend.user import NOBODY, User, UserId

ROOMS = SystemConfig(preload=False, enable_proxy=True)


async def test_messages_are_answered_in_the_order_in_which_they_came(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Whoever said them; each has its whole turn before the next."""
    ann, bob = await running.join(), await running.join()
    await ann.say("a 10")
    await bob.say("b 1")
    await ann.say("c 2")

    await trio.sleep(60)

    assert [(turn.text, turn.began, turn.ended) for turn in running.sessions.turns] == [
        ("a 10", 0, 10),
        ("b 1", 10, 11),
        ("c 2", 11, 13),
    ]
    assert not running.sessions.superseded


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, forwarders=3)])
async def test_there_are_never_more_turns_than_forwarders(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Ten rooms with two messages each, three forwarders: three turns at a time, none wasted."""
    for number in range(10):
        await (await running.join(f"room-{number}")).say("x 6", "y 6")

    await trio.sleep(600)

    assert running.sessions.most_at_once == 3
    assert len(running.sessions.turns) == 20
    assert max(turn.ended for turn in running.sessions.turns) == pytest.approx(7 * 6)


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, forwarders=1, max_per_sender=100)])
async def test_a_flooded_room_delays_another_by_one_turn_at_most(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """A hundred wait in one room; a message in another is next, even with a single forwarder."""
    busy, quiet = await running.join("busy"), await running.join("quiet")
    await busy.say(*[f"{number} 10" for number in range(100)])
    await trio.sleep(25)

    await quiet.say("at last 1")
    await trio.sleep(25)

    assert [turn.began for turn in running.sessions.turns if turn.text == "at last 1"] == [30]


async def test_a_room_that_is_full_refuses_at_once(autojump_clock: MockClock, running: RunningRooms) -> None:
    """The sender is told, no place is lost to it, and everybody else goes on as before."""
    ann, bob, cleo = [await running.join() for _ in range(3)]
    await ann.say("running 10", "1 1", "2 1", "3 1")
    await bob.say("4 1", "5 1", "6 1")
    assert running.rooms.statistics().waiting == 5
    assert bob.codes == ["queue-full"]
    assert cleo.codes == []

    await trio.sleep(60)

    assert running.sessions.texts == ["running 10", "1 1", "2 1", "3 1", "4 1", "5 1"]


async def test_one_sender_cannot_fill_a_room(autojump_clock: MockClock, running: RunningRooms) -> None:
    """Three of one sender may wait; the others' places stay free."""
    ann, bob = await running.join(), await running.join()
    await ann.say("running 10", "1 1", "2 1", "3 1", "4 1")
    await bob.say("5 1")
    assert ann.codes == ["queue-full"]
    assert "3 of your messages" in ann.heard[-1]["message"]
    assert bob.codes == []

    await trio.sleep(60)

    assert running.sessions.texts == ["running 10", "1 1", "2 1", "3 1", "5 1"]


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, room_queue=100, max_per_sender=3)])
async def test_what_one_user_may_have_waiting_is_counted_by_user(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Whichever connection it came by; another user has places of his own, and so has each nobody."""
    ann, bob = User(UserId("ann")), User(UserId("bob"))
    clients = {
        name: await running.join(user=user)
        for name, user in {"page": ann, "phone": ann, "bob": bob, "x": NOBODY, "y": NOBODY}.items()
    }
    await clients["x"].say("running 10")
    for name in ("page", "page", "phone", "bob", "bob", "bob", "x", "x", "x", "y", "y", "y"):
        await clients[name].say(f"{name} 1")
    assert not [code for client in clients.values() for code in client.codes]
    for client in clients.values():
        await client.say("too many 1")
        assert client.codes == ["queue-full"]


async def test_a_bridge_speaks_for_many_senders(autojump_clock: MockClock, running: RunningRooms) -> None:
    """Each viewer of a live chat has places of his own, though one client brings them all."""
    bridge = await running.join()
    await bridge.say("running 10", name="Ann")
    for name in ["Ann", "Ann", "Ann", "Ann", "Bob"]:
        await bridge.say(f"{name} 1", name=name)
    assert bridge.codes == ["queue-full"]

    await trio.sleep(60)

    assert running.sessions.texts == ["running 10", "Ann 1", "Ann 1", "Ann 1", "Bob 1"]


async def test_who_asks_learns_the_place(autojump_clock: MockClock, running: RunningRooms) -> None:
    """Counted from one, with how many wait; who does not ask hears nothing."""
    ann = await running.join()
    await ann.say("running 10", "1 1")
    await ann.say("2 1", notify=True)
    assert ann.heard[-1:] == [{"type": "queue-position", "position": 2, "length": 2}]


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, max_age=30)])
async def test_what_has_waited_too_long_is_dropped_with_a_reason(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """At ``max_age`` its time is over; the younger ones are answered."""
    ann, bob = await running.join(), await running.join()
    await ann.say("running 40")
    await bob.say("stale 1")
    await trio.sleep(20)
    await bob.say("fresh 1")

    await trio.sleep(60)

    assert running.sessions.texts == ["running 40", "fresh 1"]
    assert bob.codes == ["message-expired"]
    assert ann.codes == []


async def test_a_message_that_fails_frees_the_room(autojump_clock: MockClock, running: RunningRooms) -> None:
    """An error instead of a turn: its sender is told, and the next one begins at the same moment."""
    ann, bob = await running.join(), await running.join()
    await ann.say("x fail")
    await bob.say("y 1")
    await trio.sleep(5)

    assert [(turn.text, turn.began) for turn in running.sessions.turns] == [("y 1", 0)]
    assert ann.codes == ["engine-error", "turn-failed"]
    assert bob.codes == ["engine-error"]


@pytest.mark.parametrize("how", ["hang", "mute"])
async def test_a_turn_that_hangs_is_ended_at_its_deadline(
    autojump_clock: MockClock, running: RunningRooms, how: str
) -> None:
    """Whether it began or not: its sender is told, all see it end, and the next one begins."""
    ann, bob = await running.join(), await running.join()
    await ann.say(f"x {how}")
    await bob.say("y 1")
    await trio.sleep(200)

    assert [turn.began for turn in running.sessions.turns if turn.text == "y 1"] == [120 + room_module.LEEWAY]
    assert ann.codes == ["turn-failed"]
    assert ann.heard.count(START) == ann.heard.count(END)
    assert not running.sessions.running


async def test_playback_that_nobody_confirms_ends_by_itself(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """A session that waits for ever for `frontend-playback-complete` does not keep the room."""
    ann = await running.join()
    await ann.say("x sound", "y 1")
    await trio.sleep(60)

    # Three seconds of sound, five of grace, and the room's own leeway.
    assert [turn.began for turn in running.sessions.turns] == [
        0,
        pytest.approx(3 + 5 + room_module.LEEWAY, abs=0.1),
    ]


async def test_a_turn_that_ends_just_as_it_is_ended_ends_once(autojump_clock: MockClock) -> None:
    """The session's own end is on its way when the room ends the turn; the next one has its own."""
    async with open_running_rooms(ROOMS, local) as running:
        running.sessions.crossing = True
        ann = await running.join()
        await ann.say("x hang", "y 1")
        await trio.sleep(200)
        assert [turn.text for turn in running.sessions.turns] == ["x hang", "y 1"]
        controls = [message for message in ann.heard if message["type"] in ("control", "force-new-message")]
        assert controls == [START, {"type": "force-new-message"}, END, START, END]


async def test_the_first_to_have_played_it_counts(autojump_clock: MockClock, running: RunningRooms) -> None:
    """One client's `frontend-playback-complete` ends the turn for all."""
    ann, bob = await running.join(), await running.join()
    await ann.say("x sound")
    await trio.sleep(2)
    await bob.send("frontend-playback-complete")
    await trio.sleep(10)
    assert [turn.ended for turn in running.sessions.turns] == [2]
    assert END in ann.heard


async def test_the_last_client_ends_the_turn_and_empties_the_queue(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Nothing goes on for nobody: the session is gone within the second, and its place is free."""
    ann, bob = await running.join(), await running.join()
    await ann.say("x 60", "y 1")
    await ann.leave()
    await trio.sleep(1)
    [room] = running.rooms.each()
    assert (room.clients, room.waiting, room.busy) == (1, 1, True)
    assert [turn.how for turn in running.sessions.turns] == [""]

    await bob.leave()
    await trio.sleep(1)

    assert [(turn.how, turn.ended) for turn in running.sessions.turns] == [("cut", 1)]
    assert running.sessions.open_now == 0
    assert running.rooms.statistics() == RoomsStatistics(0, 0, 0, 0)


async def test_a_room_that_closes_in_the_line_is_out_of_it(
    autojump_clock: MockClock, running: RunningRooms, system: SystemConfig
) -> None:
    """Rooms that were left while they waited for a forwarder take nobody's time or place."""
    for number in range(4):
        await (await running.join(f"r{number}")).say("x 30")
    clients = [await running.join("r0"), await running.join("r1")]
    for _ in range(50):
        await clients[0].leave()
        clients[0] = await running.join("r0")
    await trio.sleep(100)

    assert running.sessions.texts == ["x 30"] * 4
    assert running.rooms.statistics().rooms == 4
