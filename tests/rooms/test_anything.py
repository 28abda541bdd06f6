"""Whatever people do in rooms, in whatever order: what must hold, holds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeAlias

import attrs
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.rooms.house import Guest, House, local, open_house, upstream
from tests.rooms.theatre import Played, Theatre
from trio_backend.config.system import SystemConfig
from trio_backend.rooms import SessionSource

SYSTEM = SystemConfig(
    preload=False, enable_proxy=True, forwarders=2, room_queue=4, max_per_sender=3, max_age=60, max_rooms=3
)
SENT = {
    "interrupt": "interrupt-signal",
    "nudge": "ai-speak-signal",
    "wrong": "request-group-info",
    "kill": "fetch-history-list",
}
# What a client is told of its own messages. The rest (`upstream-down`, `engine-error`) is for everybody.
REASONS = ("queue-full", "turn-failed", "turn-interrupted", "upstream-lost", "message-expired")


@attrs.frozen
class Join:
    """A client comes into a room."""

    room: str


@attrs.frozen
class Say:
    """The client says something whose turn goes like ``how``; clients are counted modulo those present."""

    client: int
    how: str


@attrs.frozen
class Do:
    """The client does something else: it leaves, interrupts, nudges, or makes the session fail."""

    client: int
    what: str


@attrs.frozen
class Wait:
    """Some time passes."""

    seconds: float


Step: TypeAlias = Join | Say | Do | Wait

ROOMS = st.sampled_from(["red", "blue", "green"])
CLIENTS = st.integers(0, 5)
HOWS = st.sampled_from(["0", "1", "3", "3", "20", "hang", "mute", "fail", "die", "sing", "ail", "slow"])
STEPS: st.SearchStrategy[Sequence[Step]] = st.lists(
    st.one_of(
        st.builds(Say, CLIENTS, HOWS),
        st.builds(Say, CLIENTS, HOWS),
        st.builds(Join, ROOMS),
        st.builds(
            Do, CLIENTS, st.sampled_from(["leave", "interrupt", "interrupt", "nudge", "wrong", "kill"])
        ),
        st.builds(Wait, st.sampled_from([0.0, 0.5, 1.0, 3.0, 30.0, 100.0])),
    ),
    max_size=40,
)


@attrs.define(eq=False)
class Person:
    """A client, and what it has said."""

    guest: Guest
    room: str
    here: bool = True
    said: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class Party:
    """People in rooms, and everything that they said, in order."""

    house: House
    people: list[Person] = attrs.field(factory=list)
    said: dict[str, list[str]] = attrs.field(factory=dict)

    async def do(self, step: Step) -> None:
        here = [person for person in self.people if person.here]
        match step:
            case Wait(seconds):
                await trio.sleep(seconds)
            case Join(room):
                self.people.append(Person(self.house.knock(room), room))
                await trio.sleep(self.house.theatre.lag)
            case Say(client, how) if here:
                await self.say(here[client % len(here)], how)
            case Do(client, what) if here:
                await self.act(here[client % len(here)], what)
            case _:
                pass  # there is nobody to do it
        await wait_all_tasks_blocked()
        self.check_bounds()

    async def say(self, person: Person, how: str) -> None:
        text = f"{sum(map(len, self.said.values()))} {how}"
        person.said.append(text)
        self.said.setdefault(person.room, []).append(text)
        await person.guest.send("text-input", text=text)

    async def act(self, person: Person, what: str) -> None:
        if what == "leave":
            person.here = False
            await person.guest.leave()
        else:
            await person.guest.send(SENT[what])

    def check_bounds(self) -> None:
        """Hold at every moment."""
        there = self.house.rooms.statistics()
        theatre = self.house.theatre
        assert there.clients == sum(person.here for person in self.people)
        assert there.rooms == len({person.room for person in self.people if person.here})
        assert there.waiting <= SYSTEM.room_queue * there.rooms
        assert theatre.sessions <= there.rooms
        assert theatre.most_at_once <= SYSTEM.forwarders
        assert max(Counter(play.session for play in theatre.running).values(), default=0) <= 1

    def check_story(self) -> None:
        """Hold in the end: everything was answered or its sender was told why not, once, and in order."""
        theatre = self.house.theatre
        played = Counter(theatre.texts + theatre.refused)
        assert max(played.values(), default=0) <= 1, "answered twice"
        for room, said in self.said.items():
            answered = [text for text in theatre.texts if text in said]
            assert answered == sorted(answered, key=said.index), f"out of order in {room}"
        for person in self.people:
            if person.here:
                self.check_person(person)

    def check_person(self, person: Person) -> None:
        told = Counter(code for code in person.guest.codes if code in REASONS)
        begun = [play for play in self.house.theatre.plays if play.text in person.said]
        assert all(play.how for play in begun), "still running"
        told_though_begun = told.total() + len(begun) - len(person.said)
        assert told_though_begun >= 0, "neither answered nor told"
        failed = [play for play in begun if self.may_be_told(play)]
        assert told_though_begun <= len(failed), "told what was answered"

    def may_be_told(self, play: Played) -> bool:
        """Whether the sender of ``play`` may be told that it failed: it did, or the network hid its end."""
        theatre = self.house.theatre
        # Until its start has come to the room, an interrupt, or an error about something else, makes the room
        # say that it is not answered; the room's own interrupt crosses the network after that.
        crossed = play.ended - play.started <= 2 * theatre.lag
        # Its end was on its way when the connection broke.
        cut_off = theatre.over.get(play.session, math.inf) - play.ended <= theatre.lag
        return play.how != "ended" or crossed or cut_off


async def party(steps: Sequence[Step], lag: float, source: Callable[[Theatre], SessionSource]) -> None:
    """Do all steps, wait until nothing happens any more, look back, and send everybody home."""
    async with open_house(SYSTEM, source) as house:
        house.theatre.lag = lag
        await wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        party = Party(house)
        for step in steps:
            await party.do(step)
        await trio.sleep(10_000)
        assert house.rooms.statistics().waiting == 0
        party.check_story()

        for person in party.people:
            await person.guest.leave()
        await trio.sleep(1)
        assert house.theatre.sessions == 0
        assert trio.lowlevel.current_statistics().tasks_living == tasks


@settings(max_examples=300, deadline=None)
@given(STEPS, st.sampled_from([0.0, 0.0, 0.3, 2.0]), st.sampled_from([upstream, local]))
# The session ends while the end of its turn is on its way.
@example([Join("red"), Say(0, "1"), Wait(1.0), Do(0, "kill")], 0.3, upstream)
# An error about something else comes before the turn has started; the room's interrupt comes after its end.
@example([Join("red"), Say(0, "slow"), Join("red"), Do(1, "wrong")], 2.0, upstream)
@example([Join("red"), Say(0, "slow"), Wait(3.0), Do(0, "wrong")], 2.0, upstream)
def test_nothing_is_lost_or_said_twice(
    steps: Sequence[Step], lag: float, source: Callable[[Theatre], SessionSource]
) -> None:
    """Joins, leaves, messages, interrupts, failures: nothing lost without a reason, nothing twice, order and
    bounds kept, and no task more afterwards than before."""
    trio.run(party, steps, lag, source, clock=MockClock(autojump_threshold=0))
