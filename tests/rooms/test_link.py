"""What becomes of a room whose session is lost, on the virtual clock."""

from __future__ import annotations

import sys
from itertools import pairwise

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.memory_wire import memory_wire_pair
from tests.rooms.running import RunningRooms
from tests.rooms.scripted import END, GREETING, START
from trio_backend.client.failure import Backoff
from trio_backend.rooms import link, open_session_on


@pytest.fixture(autouse=True)
def _no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits without jitter: a quarter, a half, one second."""
    backoff = attrs.evolve(link.BACKOFF, random=lambda: 0.0)
    monkeypatch.setattr(link, "BACKOFF", backoff)


async def test_the_interrupted_turn_is_reported_and_not_repeated(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Its sender is told, all see it end, and what waited is answered by the next session."""
    ann, bob = await running.join(), await running.join()
    await ann.say("x die")
    await bob.say("y 1")
    await trio.sleep(10)

    assert [(turn.session, turn.text, turn.began) for turn in running.sessions.turns] == [
        (1, "x die", 0),
        (2, "y 1", 1.25),
    ]
    assert ann.codes == ["upstream-down", "upstream-lost"]
    assert bob.codes == ["upstream-down"]
    assert bob.heard.count(START) == bob.heard.count(END) == 2


async def test_clients_are_told_of_the_new_session_once(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Of an outage too, however many attempts fail; a newcomer learns of it, and is greeted afterwards."""
    ann = await running.join()
    running.sessions.broken = True
    await ann.say("x die")
    await trio.sleep(30)
    bob = running.connect()
    await wait_all_tasks_blocked()
    assert bob.codes == ["upstream-down"]
    await bob.say("y 1")
    assert running.rooms.statistics().waiting == 1

    running.sessions.broken = False
    await trio.sleep(30)

    assert ann.codes == ["upstream-down", "upstream-lost"]
    assert [message for message in ann.heard if message in GREETING] == GREETING[1:3]
    assert bob.heard[1:6] == GREETING
    assert running.sessions.texts == ["x die", "y 1"]


async def test_a_room_waits_longer_after_each_failure(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Doubling up to a quarter of a minute; a session that held long begins the count anew."""
    ann = await running.join()
    running.sessions.broken = True
    await ann.say("x die")
    await trio.sleep(60)
    waits = [later - earlier for earlier, later in pairwise([1.0, *running.sessions.attempts[1:]])]
    assert waits == [0.25, 0.5, 1, 2, 4, 8, 15, 15]

    running.sessions.broken = False
    await trio.sleep(60)
    running.sessions.attempts.clear()
    began = trio.current_time()
    await ann.say("y die")
    await trio.sleep(10)
    assert running.sessions.attempts == [began + 1 + 0.25]


async def test_a_room_without_a_session_takes_no_forwarder(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Its messages wait in its queue, not in the hands of those who could carry others."""
    ann = await running.join("broken")
    bob = await running.join("whole")
    running.sessions.broken = True
    await ann.say("x die", "y 1", "z 1")
    await trio.sleep(20)
    for number in range(5):
        await bob.say(f"{number} 1")
        await trio.sleep(2)
    assert running.sessions.texts == ["x die", *[f"{number} 1" for number in range(5)]]
    assert running.rooms.statistics().turns == 0


async def test_a_session_that_says_nothing_is_given_up(
    autojump_clock: MockClock, running: RunningRooms
) -> None:
    """Within ten seconds the clients know, and another is tried."""

    running.sessions.silent = True
    ann = running.connect()
    await trio.sleep(10.1)
    assert ann.codes == ["upstream-down"]
    running.sessions.silent = False
    await trio.sleep(1)
    assert ann.heard[1:] == GREETING


async def test_a_link_that_waits_keeps_nothing_that_was_sent() -> None:
    """A client's pictures may take megabytes."""
    ours, theirs = memory_wire_pair()
    frame = b"".join([b'{"type":"text-input","text":"', b"x" * 1000, b'"}'])
    async with open_session_on(ours) as session:
        before = sys.getrefcount(frame)
        await session.send(frame)
        assert len(await theirs.receive()) == len(frame)
        await wait_all_tasks_blocked()
        after = sys.getrefcount(frame)  # within `assert`, pytest keeps another
        assert after == before


def test_waits_are_shortened_at_random() -> None:
    """Rooms that lost the same server do not come back in one wave."""
    assert list(zip(range(3), Backoff(1, 15, random=lambda: 0.5).waits(), strict=False)) == [
        (0, 0.75),
        (1, 1.5),
        (2, 3.0),
    ]
