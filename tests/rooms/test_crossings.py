"""What comes at the same moment, or crosses on its way: interrupts, nudges, errors, ends."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.rooms.running import RunningRooms
from tests.rooms.scripted import END, START
from trio_backend.config.system import SystemConfig

ROOMS = SystemConfig(preload=False, enable_proxy=True)


@pytest.mark.parametrize("how", ["60", "hang", "sound", "mute"])
async def test_an_interrupt_frees_the_room_at_once(
    autojump_clock: MockClock, running: RunningRooms, how: str
) -> None:
    """Anybody's, whatever the turn is at; the others are told, and the next message begins."""
    ann, bob = await running.join(), await running.join()
    await ann.say(f"x {how}", "y 1")
    await trio.sleep(1)
    await bob.send("interrupt-signal", text="so far")
    await trio.sleep(30)

    assert [turn.began for turn in running.sessions.turns if turn.text == "y 1"] == [1]
    assert {"type": "interrupt-signal", "text": "so far"} in ann.heard
    assert ann.heard[-1] == END
    assert "interrupt-signal" not in bob.types
    assert not running.sessions.superseded


async def test_the_end_of_an_interrupted_turn_is_not_taken_for_the_next_ones(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """A turn that ends by itself while the interrupt is on its way does not free the room twice."""
    ann = await running.join()
    for _ in range(20):
        await ann.say("x 1")
        await trio.sleep(1)
        # At this very moment the turn ends, too.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ann.send, "interrupt-signal")
            nursery.start_soon(ann.say, "y 5", "z 1")
        await trio.sleep(20)
    assert not running.sessions.superseded
    assert running.sessions.texts == ["x 1", "y 5", "z 1"] * 20


async def test_who_speaks_without_the_queue_is_not_interrupted(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """A turn that a microphone or the character itself began has its time, and messages wait for it."""
    ann, bob = await running.join(), await running.join()
    await ann.send("ai-speak-signal")
    await wait_all_tasks_blocked()
    await bob.say("x 1")
    await trio.sleep(60)

    assert [(turn.text, turn.began) for turn in running.sessions.turns] == [("x 1", 5)]
    assert not running.sessions.superseded


async def test_a_message_overtakes_nobody_who_begins_at_the_same_moment(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """A message sent while a nudge is on its way: its own turn is told from the nudge's."""
    ann, bob = await running.join(), await running.join()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ann.send, "ai-speak-signal")
        nursery.start_soon(bob.say, "x 10", "y 1")
    await trio.sleep(60)

    turns = [(turn.text, turn.ended - turn.began, turn.how) for turn in running.sessions.turns]
    assert turns == [("x 10", 10, "ended"), ("y 1", 1, "ended")]


async def test_what_was_reported_as_failed_is_not_answered(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """An error that comes while a turn is about to begin: whatever it was about, the turn does not begin."""
    ann, bob = await running.join(), await running.join()
    await ann.say("x slow", "y 1")
    await trio.sleep(1)
    await bob.send("request-group-info")
    await trio.sleep(60)

    assert ann.codes == ["bad-config", "turn-failed"]
    assert [(turn.text, turn.how) for turn in running.sessions.turns] == [("x slow", "cut"), ("y 1", "ended")]
    assert START in ann.heard
    assert ann.heard.count(START) == 1
    assert not running.sessions.superseded


async def test_an_error_in_the_middle_of_a_turn_does_not_end_it(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """A TTS engine that fails leaves the rest to be read."""
    ann = await running.join()
    await ann.say("x trouble", "y 1")
    await trio.sleep(60)

    assert [(turn.began, turn.how) for turn in running.sessions.turns] == [(0, "ended"), (2, "ended")]
    assert ann.codes == ["engine-error"]


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, forwarders=1)])
async def test_what_begins_while_a_room_is_in_the_line_is_not_interrupted(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """The room's place in the line comes in the middle of a nudge: it lets the forwarder go on."""
    ann, bob, cleo = await running.join("a"), await running.join("b"), await running.join("c")
    await ann.say("x 10")
    await bob.say("y 1")
    await cleo.say("z 2")
    await trio.sleep(8)
    await bob.send("ai-speak-signal")
    await trio.sleep(60)

    assert not running.sessions.superseded
    assert {turn.text: turn.began for turn in running.sessions.turns} == {"x 10": 0, "y 1": 13, "z 2": 10}


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, forwarders=1)])
async def test_a_message_whose_session_is_lost_in_the_line_waits_on(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """It had not been asked yet, so it is kept for the next session."""
    ann, bob = await running.join("a"), await running.join("b")
    await ann.say("x 10")
    await bob.say("y 1")
    running.sessions.broken = True
    await bob.send("fetch-history-list")
    await trio.sleep(20)
    running.sessions.broken = False
    await trio.sleep(60)

    assert running.sessions.texts == ["x 10", "y 1"]
    assert bob.codes == ["upstream-down"]


@pytest.mark.parametrize("system", [attrs.evolve(ROOMS, forwarders=1)])
async def test_the_last_client_leaving_frees_the_forwarder(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """The turns of other rooms need not wait for what nobody hears."""
    ann, bob = await running.join("a"), await running.join("b")
    await ann.say("x hang")
    await trio.sleep(1)
    await ann.leave()
    await bob.say("y 1")
    await trio.sleep(60)
    assert [turn.began for turn in running.sessions.turns] == [0, 1]


async def test_who_comes_while_the_room_closes_gets_a_new_one(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """A reload of the only page does not land in the session that is just being cleaned up."""
    running.sessions.clean_up = 0.5
    ann = await running.join()
    await ann.leave()
    again = await running.join()
    assert running.sessions.open_now == 2
    await again.say("x 1")
    await trio.sleep(5)
    assert again.heard == [START, END]
    assert running.sessions.open_now == 1


async def test_a_message_is_told_from_a_nudge_that_crosses_it(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Far from the session: the start and the end of a turn that this one superseded are not its own."""
    running.sessions.lag = 1.0
    ann = running.connect()
    await trio.sleep(5)
    await ann.send("ai-speak-signal")
    await ann.say("x 10", "y 1")
    await trio.sleep(60)

    # Asked at 5, and begun a second later; its end took a second, and so did the next question.
    assert [(turn.text, turn.began) for turn in running.sessions.turns] == [("x 10", 6), ("y 1", 18)]
    assert running.sessions.superseded == 1


async def test_a_new_session_owes_no_acks(autojump_clock: MockClock, running: RunningRooms) -> None:
    """What the lost one had not answered yet is not awaited from the next."""
    running.sessions.lag = 1.0
    ann = running.connect()
    await trio.sleep(5)
    await ann.send("fetch-history-list")
    await ann.say("x 1")
    await trio.sleep(10)
    await ann.say("y 1", "z 1")
    await trio.sleep(20)
    assert running.sessions.texts == ["y 1", "z 1"]
    assert ann.codes == ["upstream-down", "upstream-lost"]


async def test_who_asked_for_a_turn_that_had_begun_sees_its_interruption(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """And is told nothing more of it; who interrupts before it begins is not seen, so that is told."""
    ann, bob = await running.join(), await running.join()
    await ann.say("x 10")
    await bob.send("interrupt-signal", text="x")
    await trio.sleep(20)
    assert ann.codes == []
    assert ann.types[-1] == "interrupt-signal"
    await ann.say("y slow")
    await bob.send("interrupt-signal", text="")
    await trio.sleep(20)
    assert ann.codes == ["turn-interrupted"]
