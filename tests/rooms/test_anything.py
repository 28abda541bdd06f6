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

from tests.rooms.running import RoomClient, RunningRooms, local, open_running_rooms, upstream
from tests.rooms.scripted import ScriptedSessions, ScriptedTurn
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
HOWS = st.sampled_from(["0", "1", "3", "3", "20", "hang", "mute", "fail", "die", "sound", "trouble", "slow"])
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
class Participant:
    """A client, and what it has said."""

    client: RoomClient
    room: str
    here: bool = True
    said: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class Talk:
    """People in rooms, and everything that they said, in order."""

    running: RunningRooms
    participants: list[Participant] = attrs.field(factory=list)
    said: dict[str, list[str]] = attrs.field(factory=dict)

    async def do(self, step: Step) -> None:
        here = [participant for participant in self.participants if participant.here]
        match step:
            case Wait(seconds):
                await trio.sleep(seconds)
            case Join(room):
                self.participants.append(Participant(self.running.connect(room), room))
                await trio.sleep(self.running.sessions.lag)
            case Say(client, how) if here:
                await self.say(here[client % len(here)], how)
            case Do(client, what) if here:
                await self.act(here[client % len(here)], what)
            case _:
                pass  # there is nobody to do it
        await wait_all_tasks_blocked()
        self.check_bounds()

    async def say(self, participant: Participant, how: str) -> None:
        text = f"{sum(map(len, self.said.values()))} {how}"
        participant.said.append(text)
        self.said.setdefault(participant.room, []).append(text)
        await participant.client.send("text-input", text=text)

    async def act(self, participant: Participant, what: str) -> None:
        if what == "leave":
            participant.here = False
            await participant.client.leave()
        else:
            await participant.client.send(SENT[what])

    def check_bounds(self) -> None:
        """Hold at every moment."""
        there = self.running.rooms.statistics()
        sessions = self.running.sessions
        assert there.clients == sum(participant.here for participant in self.participants)
        assert there.rooms == len({participant.room for participant in self.participants if participant.here})
        assert there.waiting <= SYSTEM.room_queue * there.rooms
        assert sessions.open_now <= there.rooms
        assert sessions.most_at_once <= SYSTEM.forwarders
        assert max(Counter(turn.session for turn in sessions.running).values(), default=0) <= 1

    def check_answers(self) -> None:
        """Hold in the end: everything was answered or its sender was told why not, once, and in order."""
        sessions = self.running.sessions
        played = Counter([*sessions.texts, *sessions.refused])
        assert max(played.values(), default=0) <= 1, "answered twice"
        for room, said in self.said.items():
            answered = [text for text in sessions.texts if text in said]
            assert answered == sorted(answered, key=said.index), f"out of order in {room}"
        for participant in self.participants:
            if participant.here:
                self.check_participant(participant)

    def check_participant(self, participant: Participant) -> None:
        told = Counter(code for code in participant.client.codes if code in REASONS)
        begun = [turn for turn in self.running.sessions.turns if turn.text in participant.said]
        assert all(turn.how for turn in begun), "still running"
        told_though_begun = told.total() + len(begun) - len(participant.said)
        hidden = sum(self.may_be_hidden(text) for text in participant.said)
        assert told_though_begun >= -hidden, "neither answered nor told"
        failed = [turn for turn in begun if self.may_be_told(turn)]
        assert told_though_begun <= len(failed), "told what was answered"

    def may_be_hidden(self, text: str) -> bool:
        """Whether the room may have taken another turn's start for that of ``text``, which was refused.

        A session may begin a turn unprompted and, before it says so, answer the heartbeat behind which
        ``text`` comes. The error about ``text`` goes to everybody all the same.
        """
        sessions = self.running.sessions
        refused = sessions.refused.get(text, -math.inf)
        return any(refused - 2 * sessions.lag <= began <= refused for began in sessions.unprompted)

    def may_be_told(self, turn: ScriptedTurn) -> bool:
        """Whether the sender of ``turn`` may be told that it failed: it did, or the network hid its end."""
        sessions = self.running.sessions
        # Until its start has come to the room, an interrupt, or an error about something else, makes the room
        # say that it is not answered; the room's own interrupt crosses the network after that.
        crossed = turn.ended - turn.started <= 2 * sessions.lag
        # Its end was on its way when the connection broke.
        cut_off = sessions.over.get(turn.session, math.inf) - turn.ended <= sessions.lag
        return turn.how != "ended" or crossed or cut_off


async def talk_at_random(
    steps: Sequence[Step], lag: float, source: Callable[[ScriptedSessions], SessionSource]
) -> None:
    """Do all steps, wait until nothing happens any more, check, and let everybody leave."""
    async with open_running_rooms(SYSTEM, source) as running:
        running.sessions.lag = lag
        await wait_all_tasks_blocked()
        tasks = trio.lowlevel.current_statistics().tasks_living
        talk = Talk(running)
        for step in steps:
            await talk.do(step)
        await trio.sleep(10_000)
        assert running.rooms.statistics().waiting == 0
        talk.check_answers()

        for participant in talk.participants:
            await participant.client.leave()
        await trio.sleep(1)
        assert running.sessions.open_now == 0
        assert trio.lowlevel.current_statistics().tasks_living == tasks


@settings(max_examples=300, deadline=None)
@given(STEPS, st.sampled_from([0.0, 0.0, 0.3, 2.0]), st.sampled_from([upstream, local]))
# Three rooms play at once; there are two forwarders.
@example([Join("red"), Join("blue"), Join("green"), *(Say(at, "sound") for at in range(3))], 0.0, upstream)
# The session ends while the end of its turn is on its way.
@example([Join("red"), Say(0, "1"), Wait(1.0), Do(0, "kill")], 0.3, upstream)
# An error about something else comes before the turn has started; the room's interrupt comes after its end.
@example([Join("red"), Say(0, "slow"), Join("red"), Do(1, "wrong")], 2.0, upstream)
@example([Join("red"), Say(0, "slow"), Wait(3.0), Do(0, "wrong")], 2.0, upstream)
# The session begins to speak unprompted, and refuses what was said meanwhile.
@example([Join("red"), Do(0, "nudge"), Do(0, "nudge"), *[Say(0, "fail")] * 2], 0.3, upstream)
def test_nothing_is_lost_or_said_twice(
    steps: Sequence[Step], lag: float, source: Callable[[ScriptedSessions], SessionSource]
) -> None:
    """Joins, leaves, messages, interrupts, failures: nothing lost without a reason, nothing twice, order and
    bounds kept, and no task more afterwards than before."""
    trio.run(talk_at_random, steps, lag, source, clock=MockClock(autojump_threshold=0))
